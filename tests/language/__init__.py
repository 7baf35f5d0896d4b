"""Tests of app/language."""
