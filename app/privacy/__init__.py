"""What people and tenants may ask of their data: to see it, to have it erased, to have it kept only so long."""
