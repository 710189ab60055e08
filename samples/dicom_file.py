"""DICOM files of people who never lived, DX and CR, PS3.3 A.26 and A.2."""

import uuid

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
)

WRITER = "cxr samples"


def uid(what):
    """A UID derived from a UUID (PS3.5 B.2), the same for the same `what` on every run."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_URL, f'urn:cxr:samples:{what}').int}"


def code(value, meaning):
    """One item of a SNOMED CT code sequence, PS3.3 8.8."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return Sequence([item])


def radiograph(name, film, *, bits, view, sex, age, inverted=False):
    """A data set of `bits` stored bits in 16, from a film of 0 (black) to 1 (white).

    PA views are made as DX, standing; AP views as CR, at the bedside. `inverted` stores
    MONOCHROME1: the lowest value is white.
    """
    top = 2**bits - 1
    # Detectors leave room below and above; the window says where the picture is.
    low, high = 0.05 * top, 0.85 * top
    stored = np.round(low + film * (high - low)).astype(np.uint16)
    if inverted:
        stored = top - stored
        low, high = top - high, top - low
    d = Dataset()
    d.file_meta = FileMetaDataset()
    d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    d.file_meta.ImplementationClassUID = uid("implementation")
    d.file_meta.ImplementationVersionName = "CXR_SAMPLES"
    identify(d, name, view, sex, age)
    expose_as(d, view)
    fill(d, stored, bits, inverted)
    d.WindowCenter = str(round((low + high) / 2))
    d.WindowWidth = str(round(high - low))
    d.file_meta.MediaStorageSOPClassUID = d.SOPClassUID
    d.file_meta.MediaStorageSOPInstanceUID = d.SOPInstanceUID
    return d


def identify(d, name, view, sex, age):
    """Patient, study, series, equipment and instance (PS3.3 C.7.1 to C.7.5, C.12.1)."""
    d.SpecificCharacterSet = "ISO_IR 192"
    d.PatientName = "SYNTHETIC^CXR"
    d.PatientID = f"SYNTHETIC-{name}"
    d.PatientBirthDate = ""
    d.PatientSex, d.PatientAge = sex, f"{age:03d}Y"
    d.PatientIdentityRemoved = "YES"
    d.DeidentificationMethod = "Synthetic: drawn by a program, never a person"
    d.StudyInstanceUID, d.SeriesInstanceUID = uid(f"{name}/study"), uid(f"{name}/series")
    d.SOPInstanceUID = uid(f"{name}/instance")
    d.StudyDate = d.SeriesDate = d.AcquisitionDate = d.ContentDate = "20200101"
    d.StudyTime = d.SeriesTime = d.AcquisitionTime = d.ContentTime = "120000"
    d.StudyID, d.AccessionNumber, d.ReferringPhysicianName = "1", "", ""
    d.StudyDescription = d.SeriesDescription = f"SYNTHETIC CHEST {view}"
    d.SeriesNumber, d.InstanceNumber = "1", "1"
    d.Manufacturer, d.ManufacturerModelName = WRITER, "make.py"
    d.DeviceSerialNumber, d.SoftwareVersions = "0", "1"
    d.PatientOrientation = ["L", "F"]
    d.ImageComments = "Synthetic radiograph, for trying software. Not a patient."


def expose_as(d, view):
    """The modality's own modules: DX (PS3.3 C.8.11) standing, CR (C.8.1) at the bedside."""
    d.BodyPartExamined, d.ViewPosition = "CHEST", view
    if view == "AP":
        d.SOPClassUID, d.Modality = ComputedRadiographyImageStorage, "CR"
        d.ImageType = ["ORIGINAL", "PRIMARY"]
        d.KVP = "90"
        return
    d.SOPClassUID, d.Modality = DigitalXRayImageStorageForPresentation, "DX"
    d.PresentationIntentType = "FOR PRESENTATION"
    d.ImageType = ["ORIGINAL", "PRIMARY", ""]
    d.ImageLaterality = "U"
    d.AnatomicRegionSequence = code("816094009", "Chest")
    d.ViewCodeSequence = code("399348003", "postero-anterior")
    d.ViewCodeSequence[0].ViewModifierCodeSequence = Sequence()
    d.PatientOrientationCodeSequence = code("10904000", "erect")
    d.PatientOrientationCodeSequence[0].PatientOrientationModifierCodeSequence = code("16310003", "standing")
    d.AcquisitionContextSequence = Sequence()
    d.DetectorType, d.PositionerType = "DIRECT", "NONE"
    d.KVP = "120"
    d.PixelIntensityRelationship = "LOG"


def fill(d, stored, bits, inverted):
    """Image and image pixel modules (PS3.3 C.7.6.1, C.7.6.3), grey-scale transforms (C.11)."""
    d.Rows, d.Columns = stored.shape
    d.SamplesPerPixel, d.PixelRepresentation = 1, 0
    d.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    d.BitsAllocated, d.BitsStored, d.HighBit = 16, bits, bits - 1
    spacing = 400 / max(stored.shape)  # a field of 40 cm, in mm
    d.ImagerPixelSpacing = [f"{spacing:.4f}"] * 2
    if d.Modality == "DX":
        # The higher the value the less radiation, unless inverted.
        d.PixelIntensityRelationshipSign = 1 if inverted else -1
        d.RescaleIntercept, d.RescaleSlope, d.RescaleType = "0", "1", "US"
        d.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    d.BurnedInAnnotation, d.LossyImageCompression = "NO", "00"
    d.PixelData = stored.astype("<u2").tobytes()


def compress(d):
    """The same data set as JPEG 2000, lossless (PS3.5 A.4.4)."""
    d.compress(JPEG2000Lossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    return d
