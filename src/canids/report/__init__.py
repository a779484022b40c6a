"""The report: one HTML file that stands alone, and the same table for the terminal."""

from canids.report.papers import FORMATS, paper_table
from canids.report.tables import detection_table, terminal_table
from canids.report.write import write_report

__all__ = ["FORMATS", "detection_table", "paper_table", "terminal_table", "write_report"]
