//! Patient, view, spacing and dates of a DICOM file.

use cxr::domain::{Issuer, Modality, Objection, Sameness, ViewPosition};
use dicom_core::VR;
use dicom_dictionary_std::tags;

use crate::imaging_files::{Dicom, EXPLICIT};
use crate::shared::read;

#[test]
fn the_patient_identity_is_read_with_its_issuer_and_without_name_and_birth_date() {
    let qualifiers = |uid: &str| {
        Dicom(dicom_object::InMemDicomObject::new_empty()).text(
            tags::UNIVERSAL_ENTITY_ID,
            VR::UT,
            uid,
        )
    };
    let person = |name: &str, born: &str| {
        Dicom::radiograph(2, 2, 8)
            .text(tags::PATIENT_ID, VR::LO, "ANON")
            .text(tags::PATIENT_NAME, VR::PN, name)
            .text(tags::PATIENT_BIRTH_DATE, VR::DA, born)
    };
    let identity = |file: Dicom| read(&file.bytes(&[0; 4]).file(EXPLICIT)).patient.identity();
    let doe = identity(person("Doe^Jane", "19500102"));
    assert_eq!(
        doe.agrees(&identity(person("DOE^JANE^^^", "1950.01.02"))),
        Sameness::Same
    );
    assert_eq!(
        doe.agrees(&identity(person("Roe^Richard", "19500102"))),
        Sameness::Different
    );
    assert_eq!(
        doe.agrees(&identity(person("Doe^Jane", "19500103"))),
        Sameness::Different
    );
    assert_eq!(doe.agrees(&identity(person("", ""))), Sameness::Unproven);
    assert_eq!(identity(Dicom::radiograph(2, 2, 8)), Default::default());
    // Values that a de-identification writes for every patient do not tell patients apart.
    let anonymous = || person("ANONYMOUS", "19000101");
    let of_sex = |file: Dicom, sex: &str| identity(file.text(tags::PATIENT_SEX, VR::CS, sex));
    assert_eq!(
        identity(anonymous()).agrees(&identity(anonymous())),
        Sameness::Unproven
    );
    let (woman, man) = (of_sex(anonymous(), "F"), of_sex(anonymous(), "M"));
    assert_eq!(woman.agrees(&man), Sameness::Different);
    let (woman, other) = (
        of_sex(person("Doe^Jane", "19500102"), "F"),
        of_sex(person("Doe^Jane", "19500102"), "O"),
    );
    assert_eq!(woman.agrees(&other), Sameness::Same);

    let issued = person("Doe^Jane", "19500102").text(tags::ISSUER_OF_PATIENT_ID, VR::LO, "WARD 7");
    let issued = issued.sequence(
        tags::ISSUER_OF_PATIENT_ID_QUALIFIERS_SEQUENCE,
        qualifiers("1.2.3"),
    );
    let of_ward = identity(issued.clone());
    let expected = Issuer {
        local: Some("WARD 7".into()),
        universal: Some("1.2.3".into()),
    };
    assert_eq!(of_ward.issuer, expected);
    let other = issued.sequence(
        tags::ISSUER_OF_PATIENT_ID_QUALIFIERS_SEQUENCE,
        qualifiers("1.2.4"),
    );
    assert_eq!(of_ward.agrees(&identity(other)), Sameness::Different);
}

#[test]
fn the_age_is_the_stated_one_or_that_by_birth_date_and_neither_where_they_contradict_each_other() {
    for (stated, born, age) in [
        ("", "20210101", Some("003Y")),
        ("", "2024.02.20", Some("011D")),
        ("003Y", "20210101", Some("003Y")),
        ("004Y", "20210101", Some("004Y")),
        ("036M", "20210101", Some("036M")),
        ("old", "20210101", Some("003Y")),
        ("old", "", Some("old")),
        ("054Y", "19000101", Some("054Y")),
        ("000Y", "20240101", Some("000Y")),
        ("", "", None),
        // Whoever is right, the film is calibrated without an age.
        ("000Y", "19500101", None),
        ("054Y", "20210101", None),
        ("074Y", "20250101", Some("074Y")),
    ] {
        let file = Dicom::radiograph(2, 2, 8)
            .text(tags::STUDY_DATE, VR::DA, "20240302")
            .text(tags::PATIENT_AGE, VR::AS, stated)
            .text(tags::PATIENT_BIRTH_DATE, VR::DA, born);
        let r = read(&file.bytes(&[0; 4]).file(EXPLICIT));
        assert_eq!(r.patient.age.as_deref(), age, "{stated} {born}");
        let is_contradicted = r.admission.objections == [Objection::Age];
        let is_expected = age.is_none() && !stated.is_empty();
        assert_eq!(is_contradicted, is_expected, "{stated} {born}");
        assert_eq!(
            r.film_facts().years.is_some(),
            age.is_some_and(|age| age != "old")
        );
    }
}

#[test]
fn patient_view_and_spacing_are_read_and_cleaned() {
    let code = Dicom(dicom_object::InMemDicomObject::new_empty())
        .text(tags::CODE_VALUE, VR::SH, "R-10206")
        .text(tags::CODE_MEANING, VR::LO, "antero-posterior");
    let file = Dicom::radiograph(2, 2, 8)
        .text(tags::PATIENT_NAME, VR::PN, "Doe^Jane\x1b[31m^^Dr")
        .text(tags::PATIENT_ID, VR::LO, " 42\x07 ")
        .text(tags::PATIENT_AGE, VR::AS, "054Y")
        .text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.840.7")
        .text(tags::PIXEL_SPACING, VR::DS, "0.3\\0.2")
        .sequence(tags::VIEW_CODE_SEQUENCE, code);
    let r = read(&file.clone().bytes(&[0; 4]).file(EXPLICIT));
    assert_eq!(r.patient.name.as_deref(), Some("Doe Jane [31m Dr"));
    assert_eq!(r.patient.id.as_deref(), Some("42"));
    assert_eq!(r.uids.study.as_deref(), Some("1.2.840.7"));
    assert_eq!(r.uids.sop_instance.as_deref(), Some("1.2.3.4"));
    assert_eq!(r.uids.series, None);
    assert_eq!(r.patient.age.as_deref(), Some("054Y"));
    assert!((r.pixel_aspect - 1.5).abs() < 1e-9);
    assert_eq!(r.view, ViewPosition::Ap);

    let r = read(
        &file
            .text(tags::VIEW_POSITION, VR::CS, "PA")
            .bytes(&[0; 4])
            .file(EXPLICIT),
    );
    assert_eq!(
        r.view,
        ViewPosition::Pa,
        "the view position goes before the view code"
    );

    let r = |file: Dicom| read(&file.bytes(&[0; 4]).file(EXPLICIT)).taken;
    let study = Dicom::radiograph(2, 2, 8)
        .text(tags::STUDY_DATE, VR::DA, "20200229")
        .text(tags::STUDY_TIME, VR::TM, "0910");
    let acquired = study
        .clone()
        .text(tags::ACQUISITION_DATE, VR::DA, "20200301");
    let combined = acquired.clone().text(
        tags::ACQUISITION_DATE_TIME,
        VR::DT,
        "20200302112233.25-0500",
    );
    let in_zone = |file: &Dicom| {
        let file = file.clone();
        r(file.text(tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH, "+0900"))
    };
    assert_eq!(in_zone(&study).as_deref(), Some("2020-02-29T09:10+0900"));
    assert_eq!(in_zone(&acquired).as_deref(), Some("2020-03-01"));
    let own = in_zone(&combined);
    assert_eq!(own.as_deref(), Some("2020-03-02T11:22:33.25-0500"));
    assert_eq!(r(study).as_deref(), Some("2020-02-29T09:10"));
    assert_eq!(r(acquired).as_deref(), Some("2020-03-01"));
    assert_eq!(r(combined).as_deref(), Some("2020-03-02T11:22:33.25-0500"));
    assert_eq!(r(Dicom::radiograph(2, 2, 8)), None);

    for (stated, view) in [
        ("LL", ViewPosition::Lateral),
        ("RLAT", ViewPosition::Lateral),
        ("LEFT LATERAL", ViewPosition::Lateral),
        ("AP SUPINE", ViewPosition::Ap),
        ("POSTEROANTERIOR", ViewPosition::Pa),
        ("PA LLD", ViewPosition::Unknown),
        ("L", ViewPosition::Unknown),
        ("RLO", ViewPosition::Unknown),
    ] {
        let file = Dicom::radiograph(2, 2, 8).text(tags::VIEW_POSITION, VR::CS, stated);
        assert_eq!(
            read(&file.bytes(&[0; 4]).file(EXPLICIT)).view,
            view,
            "{stated}"
        );
    }

    let ct = Dicom::radiograph(2, 2, 8)
        .text(tags::MODALITY, VR::CS, "CT")
        .bytes(&[0; 4]);
    assert_eq!(
        read(&ct.file(EXPLICIT)).modality,
        Modality::Other("CT".into())
    );
}
