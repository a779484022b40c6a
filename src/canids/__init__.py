"""canids: intrusion detection for CAN buses, from log files to a calibrated, distilled detector."""
