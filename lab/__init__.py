"""A fleet of real libvirt hosts on one machine, for trying Drover out and for its tests."""

from lab.fleet import Host, Lab
from lab.plan import BadPlan, LabPlan, make_plan
from lab.processes import LabError

__all__ = ["BadPlan", "Host", "Lab", "LabError", "LabPlan", "make_plan"]
