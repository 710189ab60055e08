//! Predictions, and patients and times of images.

use super::*;

#[test]
fn a_prediction_is_found_by_image_model_and_preprocessing() {
    let (_folder, _, mut store) = new_store();
    store.keep(&entry(1, "agree").image, &prediction()).unwrap();
    let image = format!("{:064x}", 1);
    let found = store.prediction(&image, "ab", "cxr-1").unwrap().unwrap();
    assert_eq!(found["severity"]["geographic_extent"], 3.1);
    assert_eq!(store.prediction(&image, "ab", "cxr-2").unwrap(), None);
    assert_eq!(store.prediction(&image, "cd", "cxr-1").unwrap(), None);
}

#[test]
fn a_cached_prediction_stays_after_a_review_and_a_move() {
    let (_folder, path, mut store) = new_store();
    let ReviewEntry { image, .. } = entry(1, "agree");
    let prediction = prediction();
    let recalled = |store: &Store, basis| {
        store.cached_prediction(image.sha256.parse().unwrap(), "ab", "cxr-1", basis)
    };
    assert_eq!(recalled(&store, "b").unwrap(), None);
    store
        .cache_prediction(&image, &Origin::default(), &prediction, "b")
        .unwrap();
    store.append(&entry(1, "agree")).unwrap();
    store.keep(&image, &prediction).unwrap();
    let expected = Prediction {
        content: image.sha256.parse().unwrap(),
        elapsed_ms: 0.0,
        ..prediction
    };
    let store = Store::open_read_only(&path).unwrap();
    assert_eq!(recalled(&store, "b").unwrap(), Some(expected));
    assert_eq!(recalled(&store, "another card").unwrap(), None);
}

#[test]
fn patient_and_time_are_known_once_the_file_was_read_for_all_of_them() {
    let (_folder, _, mut store) = new_store();
    let ReviewEntry { image, .. } = entry(1, "agree");
    let bare = ImageIdentity {
        uids: Uids::default(),
        patient_id: None,
        ..image.clone()
    };
    store.keep(&bare, &prediction()).unwrap();
    assert_eq!(store.origin(&image.sha256).unwrap(), None);
    let expected = Origin {
        patient: PatientIdentity {
            id: Some("P7".into()),
            issuer: Issuer {
                local: Some("HOSPITAL".into()),
                universal: None,
            },
            name: Some(Fingerprint(u64::MAX)),
            birth_date: None,
            sex: Some(crate::domain::Sex::Male),
        },
        study: Some("1.2.3".into()),
        taken: Some("2020-03-01T10:20:30".into()),
    };
    let prediction = prediction();
    store
        .cache_prediction(&image, &expected, &prediction, "b")
        .unwrap();
    assert_eq!(store.origin(&image.sha256).unwrap(), Some(expected.clone()));
    // As an earlier version left it: the file is read again, and the rest is written.
    let forget = "UPDATE image SET identity = NULL";
    store.connection.execute(forget, []).unwrap();
    assert_eq!(store.origin(&image.sha256).unwrap(), None);
    store
        .cache_prediction(&image, &expected, &prediction, "b")
        .unwrap();
    assert_eq!(store.origin(&image.sha256).unwrap(), Some(expected.clone()));
    // As a version left it that read fewer fields: it is read, and then replaced.
    let less = r#"UPDATE image SET identity = '{"name":"00000000000000aa"}'"#;
    store.connection.execute(less, []).unwrap();
    let known = store.origin(&image.sha256).unwrap().unwrap().patient;
    assert_eq!((known.name, known.sex), (Some(Fingerprint(0xaa)), None));
    store
        .cache_prediction(&image, &expected, &prediction, "b")
        .unwrap();
    assert_eq!(store.origin(&image.sha256).unwrap(), Some(expected.clone()));
    let spoil = "UPDATE image SET identity = '{\"name\": \"Doe\"}'";
    store.connection.execute(spoil, []).unwrap();
    assert_eq!(store.origin(&image.sha256).unwrap(), None);
    let ReviewEntry { image, .. } = entry(2, "agree");
    let bare = ImageIdentity {
        uids: Uids::default(),
        patient_id: None,
        ..image
    };
    let nothing = Origin::default();
    store
        .cache_prediction(&bare, &nothing, &prediction, "b")
        .unwrap();
    let nothing = store.origin(&bare.sha256).unwrap();
    assert_eq!(nothing, Some(Origin::default()), "the file was read for it");
}
