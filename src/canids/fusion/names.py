"""What the DQN's alternatives are called, for those who need no more of them than that."""

ALTERNATIVES = ("weighted", "logistic", "mlp", "bandit")
ALTERNATIVES_FILE = "alternatives.safetensors"  # beside the agent's state dict
