"""What the cascade has to beat: simple detectors on the same windows, thresholds set by the same procedure."""
