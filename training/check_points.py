"""Computes the 90 % points and the limit of the evidence in the lungs from a table of `cxr predict`, without PyTorch. The
sensitive point of a card and its `[lungs]` rest on them.

    cxr predict DATA -o scores.jsonl
    python training/check_points.py --data DATA --scores scores.jsonl

For Pneumonia and COVID-19 on the validation split, together and in each source, it prints the number of positives, the
highest threshold that finds 90 % of them, and how many the card's balanced point finds. Then it prints the share of the
evidence that 98 of 100 pneumonias that were found have in the lungs. DATA is the folder of manifest.csv.
"""

import argparse
import csv
import json
import math
import os


def answers(row):
    """The answers for Pneumonia and COVID-19, as in labels.py; None if the row does not answer."""
    names = row["finding"].split("|")
    if row["source"] in ("nih", "rsna"):
        mined = True if "Pneumonia" in names else False if "No Finding" in names else None
        seen = {"Lung Opacity": True, "Normal": False, "No Lung Opacity / Not Normal": None}
        return seen.get(row["rsna_class"], mined), False
    if names == ["No Finding"]:
        return False, False
    if not row["finding"].startswith("Pneumonia"):
        return None, None
    return True, None if row["finding"] == "Pneumonia" else row["finding"].endswith("COVID-19")


def in_lungs(scored, rows):
    """The share of the evidence in the lungs, of the pneumonias that were found."""
    for line in scored:
        found = next((f for f in line["findings"] if f["label"] == "Pneumonia"), None)
        if found and found["score"] >= found["operating_point"] and line.get("evidence_in_lungs") is not None:
            if answers(rows[os.path.realpath(line["path"])])[0]:
                yield line["evidence_in_lungs"]


def nine_in_ten(scores):
    return sorted(scores, reverse=True)[math.ceil(0.9 * len(scores) - 1e-9) - 1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--scores", required=True)
    given = parser.parse_args()
    with open(f"{given.data}/manifest.csv", encoding="utf-8", newline="") as file:
        rows = {os.path.realpath(f"{given.data}/{row['path']}"): row for row in csv.DictReader(file)
                if row["split"] == "val" and row["licence_permissive"] == "yes" and row["modality"] == "X-ray"
                and row["view"] != "L" and not row["duplicate_of"]}
    with open(given.scores, encoding="utf-8") as file:
        scored = [row for row in map(json.loads, file) if os.path.realpath(row["path"]) in rows]
    for index, label in enumerate(("Pneumonia", "COVID-19")):
        found = {}
        for line in scored:
            row = rows[os.path.realpath(line["path"])]
            finding = next((f for f in line["findings"] if f["label"] == label), None)
            # The points of Pneumonia are chosen on the training sources that hold both classes.
            is_used = label != "Pneumonia" or row["source"] in ("nih", "rsna", "kermany")
            if finding and is_used and answers(row)[index]:
                found.setdefault(row["source"], []).append(finding["score"])
                balanced = finding["operating_point"]
        for source, scores in {"all": sum(found.values(), []), **found}.items():
            above = sum(score >= balanced for score in scores)
            print(f"{label:10} {source:10} {len(scores):4} positives; 90 % from {nine_in_ten(scores):.4f}; "
                  f"from the balanced point, {balanced:.4f}: {above}")
    inside = sorted(in_lungs(scored, rows))
    print(f"evidence in the lungs: {len(inside)} pneumonias found, 98 % of them from {inside[len(inside) // 50]:.3f}")


if __name__ == "__main__":
    main()
