"""What the DQN's alternatives and the fusion's files are called, for those who need no more of them than that."""

ALTERNATIVES = ("weighted", "logistic", "mlp", "bandit")
ALTERNATIVES_FILE = "alternatives.safetensors"  # beside the agent's state dict
STATES_FILE = "states.safetensors"
CALIBRATION_FILE = "calibration.safetensors"
