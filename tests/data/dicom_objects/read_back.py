"""Reads a report with highdicom and prints its numbers and codes, a line each, with tabs between.

    python read_back.py report.dcm

The lines are `num GROUP NAME VALUE UNIT` and `code GROUP NAME VALUE`, where GROUP is the tracking identifier of the
measurement group, and `observer TYPE`.
"""

import sys

import highdicom as hd
import pydicom

stored = pydicom.dcmread(sys.argv[1])
assert stored.ContentTemplateSequence[0].TemplateIdentifier == "1500"
report = hd.sr.Comprehensive3DSR.from_dataset(stored)
for group in report.content.get_image_measurement_groups():
    place = group.tracking_identifier
    for measured in group.get_measurements():
        print("num", place, measured.name.value, repr(measured.value), measured.unit.value, sep="\t")
    for stated in group.get_qualitative_evaluations():
        print("code", place, stated.name.value, stated.value.value, sep="\t")
    if group.finding_type is not None:
        print("code", place, "finding", group.finding_type.value, sep="\t")
for observer in report.content.get_observer_contexts():
    print("observer", observer.observer_type.meaning, sep="\t")
