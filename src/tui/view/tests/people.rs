//! How the screen tells several people with one identifier apart.

use super::*;
use crate::domain::{Fingerprint, Origin, PatientIdentity};
use crate::tui::worklist::Sort;

fn origin(person: u64, day: &str) -> Origin {
    let print = (person > 0).then_some(Fingerprint(person));
    Origin {
        patient: PatientIdentity {
            id: Some("ANON".into()),
            name: print,
            birth_date: print,
            ..PatientIdentity::default()
        },
        study: Some(format!("1.2.{day}")),
        taken: Some(format!("2020-03-{day}")),
    }
}

#[test]
fn a_shared_identifier_is_marked_in_the_list_and_explained_with_the_findings() {
    let mut model = model_of(120, 35);
    for (at, person) in [1, 2, 1, 0].into_iter().enumerate() {
        let day = format!("{:02}", at + 1);
        model
            .worklist
            .set_origin_at(at as u32, origin(person, &day));
    }
    model.worklist.set_sort(Sort::Patient);
    model.worklist.go_to(0);
    let shown = screen(&model);
    for words in [
        "patient 1 (shared ID)",
        "patient 2 (shared ID)",
        "patient 3 (whose ID?)",
        "another name or birth date has the same",
        "kept apart",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    model.turn_identity().unwrap();
    assert!(screen(&model).contains("ANON (shared ID)"));
}
