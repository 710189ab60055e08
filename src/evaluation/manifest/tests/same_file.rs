//! Several rows of one file.

use super::*;

/// As one row for each box, or a table that was joined with another.
#[test]
fn rows_of_one_file_are_one_case_whatever_their_order() {
    let columns = ManifestColumns {
        boxes: Some("boxes".to_owned()),
        labels: vec![label("COVID-19", "pcr")],
        outcomes: vec![label("icu", "icu")],
        ..ManifestColumns::default()
    };
    let head = "path,patient,source,view,pcr,icu,opacity,boxes\n";
    let rows = [
        "a.png,p1,x,PA,1,,,0.1 0.2 0.3 0.4\n",
        "a.png,,,,,no,2,0.5 0.5 0.25 0.25;0.1 0.2 0.3 0.4\n",
        "a.png,p1,x,PA,1,no,2,\n",
    ];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let text = head.to_owned() + &order.map(|at| rows[at]).concat();
        let manifest = read(&text, &columns).unwrap();
        let [case] = &manifest.cases[..] else {
            panic!("one case")
        };
        assert_eq!(
            (case.patient.as_str(), &case.groups[..]),
            ("p1", &["x".to_owned()][..])
        );
        assert_eq!(case.view, ViewPosition::Pa);
        assert_eq!(case.truth.labels, [("COVID-19".to_owned(), true)].into());
        assert_eq!(case.outcomes, [("icu".to_owned(), false)].into());
        assert_eq!((case.truth.opacity, case.boxes.len()), (Some(2.0), 2));
        let skipped = manifest.skipped;
        assert_eq!(skipped.duplicates + skipped.more_boxes, 2);
        // Which row is the further one is all that the order decides.
        if order == [0, 1, 2] {
            assert_eq!(
                skipped.words(),
                ["1 duplicates", "1 with more boxes of a film"]
            );
        }
    }
    let many: String = (1..=101)
        .map(|n| format!("a.png,,,,,,,0 0 1 0.{n:03}\n"))
        .collect();
    let error = read(&format!("{head}{many}"), &columns).unwrap_err();
    assert_eq!(
        error.to_string(),
        "row 101: with the rows before it of a.png: a film has at most 100 boxes"
    );
}

#[test]
fn rows_of_one_file_that_contradict_each_other_are_refused() {
    let columns = ManifestColumns {
        finding: Some("finding".to_owned()),
        labels: vec![label("Pneumonia", "pneu")],
        outcomes: vec![label("icu", "icu")],
        ..ManifestColumns::default()
    };
    let said = |row: &str, other: &str| {
        let text = format!(
            "path,patient,source,view,finding,pneu,icu,geographic_extent,opacity\n\
             x/a.png,{row}\nb.png,p,x,PA,,1,0,1,1\nx/a.png,{other}\n"
        );
        read(&text, &columns).map_err(|error| error.to_string())
    };
    let row = "p,x,PA,Pneumonia/Viral,1,0,1.5,2";
    assert_eq!(said(row, row).unwrap().skipped.duplicates, 1);
    for (other, what) in [
        ("q,x,PA,Pneumonia/Viral,1,0,1.5,2", "patient"),
        ("p,y,PA,Pneumonia/Viral,1,0,1.5,2", "source"),
        ("p,x,AP,Pneumonia/Viral,1,0,1.5,2", "view"),
        ("p,x,PA,No Finding,1,0,1.5,2", "finding"),
        ("p,x,PA,Pneumonia/Bacterial,1,0,1.5,2", "finding"),
        ("p,x,PA,Pneumonia/Viral,0,0,1.5,2", "Pneumonia"),
        ("p,x,PA,Pneumonia/Viral,1,1,1.5,2", "icu"),
        ("p,x,PA,Pneumonia/Viral,1,0,1.6,2", "geographic_extent"),
        ("p,x,PA,Pneumonia/Viral,1,0,1.5,3", "opacity"),
    ] {
        let expected =
            format!("rows 1 and 3 are both of x/a.png, and contradict each other in {what}");
        assert_eq!(said(row, other).unwrap_err(), expected);
        assert_eq!(said(other, row).unwrap_err(), expected);
    }
}
