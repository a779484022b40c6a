"""VGAE and GAT fused by a double-DQN agent."""
