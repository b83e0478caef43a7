"""What a running database says about itself. Used by every layer, uses only the model."""
