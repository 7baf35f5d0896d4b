"""Fine-tuning: a checkpoint made to hear a business's own callers, without forgetting what it knew."""
