"""The networks of the cascade: plain torch modules, no training code."""
