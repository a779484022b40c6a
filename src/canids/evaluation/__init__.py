"""What the cascade detects, window by window, and what that is worth."""
