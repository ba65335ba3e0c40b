"""What is known of engines, GPUs, regions, prices and models, as dated data."""
