use super::*;
use crate::domain::{Calibration, LabelCard, Prevalence};
use crate::evaluation::manifest::Skipped;
use crate::evaluation::question::ReferenceStandard;

const HEAD: &str = "path,status,reasons,Pneumonia,COVID-19,model_sha256\n";

fn table(rows: &str) -> PredictionTable {
    PredictionTable::parse(Path::new("t.csv"), format!("{HEAD}{rows}").as_bytes()).unwrap()
}

fn case(path: &str) -> Case {
    Case {
        path: path.into(),
        patient: String::new(),
        groups: Vec::new(),
        truth: ReferenceStandard::default(),
        ..Case::default()
    }
}

/// The first score of each case; `None` where it was refused, or failed.
fn scores(table: &PredictionTable, paths: &[&str], root: &str) -> Result<Vec<Option<f64>>, String> {
    let cases: Vec<_> = paths.iter().map(|path| case(path)).collect();
    let answers = table
        .answers(&cases, Path::new(root))
        .map_err(|e| e.to_string())?;
    let outcomes = answers.outcomes.into_iter();
    let first = |outcome| match outcome {
        CaseOutcome::Scored { labels, .. } => labels[0],
        _ => None,
    };
    Ok(outcomes.map(first).collect())
}

/// A part that is too large to be held is known before any of its rows is read.
#[test]
fn a_large_part_is_said_to_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("part.csv");
    let mut file = std::fs::File::create(&part).unwrap();
    file.set_len(40 << 20).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0)).unwrap();
    std::io::Write::write_all(&mut file, b"\n#cxr-part {\"format\":1}\n").unwrap();
    let read = PredictionTable::read(&part, || panic!("its rows are not looked at"));
    let error = read.unwrap_err().to_string();
    assert!(error.contains("cxr merge"), "{error}");
}

#[test]
fn rows_find_their_cases_wherever_both_were_run() {
    let table = table(
        "../data/a/1.png,ok,,0.5,0.25,ab\n../data/b/1.png,caution,small,0.75,0.5,ab\n\
             ../data/b/2.png,refused,colour,,,ab\n../data/b/3.png,error,torn,,,\n",
    );
    assert_eq!(table.labels(), ["Pneumonia", "COVID-19"]);
    assert_eq!(table.model_sha256(), "ab");
    let paths = ["b/1.png", "a/1.png", "b/2.png", "b/3.png", "b/4.png"];
    let found = [Some(0.75), Some(0.5), None, None, None];
    for root in ["../data", "/mnt/x"] {
        assert_eq!(scores(&table, &paths, root).unwrap(), found);
    }
    assert_eq!(
        scores(&table, &["/w/data/a/1.png"], "").unwrap(),
        [Some(0.5)]
    );
}

#[test]
fn a_row_that_could_be_of_two_cases_is_of_none() {
    let two = table("a/1.png,ok,,0.5,0.25,ab\nb/1.png,ok,,0.5,0.25,ab\n");
    assert!(
        scores(&two, &["1.png"], "")
            .unwrap_err()
            .contains("ambiguous")
    );
    assert_eq!(
        scores(&two, &["1.png"], "b").unwrap(),
        [Some(0.5)],
        "the whole path is"
    );
    let bare = table("1.png,ok,,0.5,0.25,ab\n");
    assert!(scores(&bare, &["a/1.png", "b/1.png"], "").is_err());
    assert!(
        scores(&bare, &["x.png"], "")
            .unwrap_err()
            .contains("no row belongs to")
    );
}

/// Two files have changed names since the table was made, and a third was replaced.
#[test]
fn a_row_belongs_to_the_content_that_it_was_made_of() {
    let text = "path,image_sha256,status,Pneumonia\na.png,aa,ok,0.25\nb.png,bb,ok,0.75\n\
            c.png,cc,ok,0.5\nd.png,,ok,0.125\n";
    let table = PredictionTable::parse(Path::new("t.csv"), text.as_bytes()).unwrap();
    assert_eq!(table.labels(), ["Pneumonia"]);
    let cases = ["a.png", "b.png", "c.png", "d.png"].map(case);
    let scores = |contents: [Option<&str>; 4]| {
        let contents = contents.map(|content| content.map(str::to_owned));
        let answers = table.matched_by(&cases, Path::new(""), &contents).unwrap();
        let answers = table.answers_of(&answers);
        answers.outcomes.into_iter().map(|outcome| match outcome {
            CaseOutcome::Scored { labels, .. } => labels[0],
            _ => None,
        })
    };
    let found: Vec<_> = scores([Some("bb"), Some("aa"), Some("ee"), Some("dd")]).collect();
    assert_eq!(found, [Some(0.75), Some(0.25), None, Some(0.125)]);
    // Without the files, the paths are all there is.
    let found: Vec<_> = scores([None; 4]).collect();
    assert_eq!(found, [Some(0.25), Some(0.75), Some(0.5), Some(0.125)]);
}

#[test]
fn json_lines_are_read_and_a_torn_row_is_left_out() {
    let text = "{\"path\":\"a.png\",\"status\":\"ok\",\"Pneumonia\":0.25}\n{\"path\":\"b.p";
    let table = PredictionTable::parse(Path::new("t.jsonl"), text.as_bytes()).unwrap();
    assert_eq!(
        scores(&table, &["a.png", "b.png"], "").unwrap(),
        [Some(0.25), None]
    );
}

#[test]
fn every_format_that_predict_writes_is_read_under_any_file_name() {
    let csv = "path,status,Pneumonia\na.png,ok,0.25\nb.png,error,\n";
    let tsv = csv.replace(',', "\t");
    let array = r#"[
{"path":"a.png","status":"ok","Pneumonia":0.25},
{"path":"b.png","status":"error","Pneumonia":null}
]"#;
    let on_one_line = array.replace('\n', "");
    let torn = format!("{}{{\"path", array.replace("\n]", ",\n"));
    let bom = format!("\u{feff}{csv}");
    for text in [csv, &tsv, array, &on_one_line, &torn, &bom] {
        let table = PredictionTable::parse(Path::new("t"), text.as_bytes()).unwrap();
        let found = scores(&table, &["a.png", "b.png"], "").unwrap();
        assert_eq!(found, [Some(0.25), None], "{text}");
    }
}

/// As R, pandas, Python and spreadsheets write a score that is missing.
#[test]
fn a_missing_score_is_counted_and_named_and_the_label_stays() {
    let rows = "a.png,ok,0.25,0.5\nb.png,ok,MISSING,0.75\nc.png,error,MISSING,MISSING\n";
    let head = "path,status,Pneumonia,COVID-19\n";
    for missing in [
        "", "nan", "NaN", "NA", "N/A", "null", "NULL", "None", "<NA>", "#N/A", "inf", "-Inf", " ",
    ] {
        let text = format!("{head}{rows}").replace("MISSING", missing);
        let table = PredictionTable::parse(Path::new("t.csv"), text.as_bytes()).unwrap();
        assert_eq!(table.labels(), ["Pneumonia", "COVID-19"], "{missing}");
        let found = scores(&table, &["a.png", "b.png", "c.png"], "").unwrap();
        assert_eq!(found, [Some(0.25), None, None], "{missing}");
        let remarks: Vec<_> = table.remarks().collect();
        assert_eq!(
            remarks,
            ["t.csv: 1 of 2 rows have no score for Pneumonia, and are not in its figures: b.png"]
        );
    }
    for json in ["NaN", "-Infinity", "null"] {
        let text = format!(
            "{{\"path\":\"NaN.png\",\"status\":\"ok\",\"Pneumonia\":0.25}}\n\
                 {{\"path\":\"b\\\"NaN.png\",\"status\":\"ok\",\"Pneumonia\":{json}}}\n"
        );
        for text in [
            text.clone(),
            format!("[{}]", text.trim().replace('\n', ",")),
        ] {
            let table = PredictionTable::parse(Path::new("t"), text.as_bytes()).unwrap();
            let found = scores(&table, &["NaN.png", "b\"NaN.png"], "").unwrap();
            assert_eq!(found, [Some(0.25), None], "{text}");
        }
    }
}

#[test]
fn an_image_unlike_those_of_training_has_no_answer_and_is_counted_and_named() {
    let csv = "path,status,Pneumonia,COVID-19,Viral,withheld\na.png,ok,0.25,0.5,,Viral\n\
               b.png,caution,0.5,,,COVID-19; Viral\nc.png,ok,0.75,,,Viral\nd.png,refused,,,,\n";
    let lines = [
        r#"{"path":"a.png","status":"ok","Pneumonia":0.25,"COVID-19":0.5,"Viral":null,"withheld":["Viral"]}"#,
        r#"{"path":"b.png","status":"caution","Pneumonia":0.5,"COVID-19":null,"Viral":null,"withheld":["COVID-19","Viral"]}"#,
        r#"{"path":"c.png","status":"ok","Pneumonia":0.75,"COVID-19":null,"Viral":null,"withheld":["Viral"]}"#,
    ];
    for text in [csv.to_owned(), lines.join("\n") + "\n"] {
        let table = PredictionTable::parse(Path::new("t"), text.as_bytes()).unwrap();
        let mut labels = table.labels();
        labels.sort();
        // A label without a single score is a label all the same.
        assert_eq!(labels, ["COVID-19", "Pneumonia", "Viral"], "{text}");
        let remarks: Vec<_> = table.remarks().collect();
        assert_eq!(
            remarks,
            [
                "t: 1 of 3 rows have no score for COVID-19, and are not in its figures: c.png",
                "t: 1 of 3 rows have no answer for COVID-19, because the image is unlike those that it \
                 was learned from, and are not in its figures: b.png",
                "t: column Viral has no score in any row: the images are unlike those that it was \
                 learned from",
            ],
            "{text}"
        );
        let cases = ["a.png", "b.png", "c.png"].map(case);
        let answers = table.answers(&cases, Path::new("")).unwrap();
        let at = table.labels().iter().position(|label| label == "COVID-19");
        let covid = answers.outcomes.iter().map(|outcome| match outcome {
            CaseOutcome::Scored { labels, .. } => labels[at.unwrap()],
            _ => panic!("{outcome:?}"),
        });
        assert_eq!(covid.collect::<Vec<_>>(), [Some(0.5), None, None]);
    }
}

#[test]
fn the_last_row_counts_without_a_line_end_and_line_ends_within_quotes_are_text() {
    let rows = "a.png,ok,\"dark,\r\nsmall\",0.25,0.5,ab\r\nb.png,ok,,0.75,0.5,ab";
    for text in [format!("{HEAD}{rows}"), format!("\u{feff}{HEAD}{rows}\r\n")] {
        let table = PredictionTable::parse(Path::new("t.csv"), text.as_bytes()).unwrap();
        let found = scores(&table, &["a.png", "b.png"], "").unwrap();
        assert_eq!(found, [Some(0.25), Some(0.75)], "{text}");
        assert_eq!(table.remarks().count(), 0);
    }
    let torn = table("a.png,ok,,0.25,0.5,ab\nb.png,ok,,0.7");
    assert_eq!(
        scores(&torn, &["a.png", "b.png"], "").unwrap(),
        [Some(0.25), None]
    );
    let remarks: Vec<_> = torn.remarks().collect();
    assert_eq!(remarks, ["t.csv: its last row is cut off and left out"]);
}

#[test]
fn a_table_of_r_or_a_spreadsheet_is_read() {
    let r = "\"\",\"path\",\"status\",\"Pneumonia\",\"model_sha256\"\n\
                 \"1\",\"a.png\",\"ok\",0.25,\"ab\"\n\"0\",\"b.png\",\"error\",NA,NA\n";
    let commas = "path;status;Pneumonia\r\na.png;ok;0,25\r\nb.png;error;\r\n";
    for text in [r, commas] {
        let table = PredictionTable::parse(Path::new("t.csv"), text.as_bytes()).unwrap();
        assert_eq!(table.labels(), ["Pneumonia"]);
        assert_eq!(
            scores(&table, &["a.png", "b.png"], "").unwrap(),
            [Some(0.25), None]
        );
    }
}

#[test]
fn a_slip_in_a_column_of_scores_is_named() {
    for slip in ["high", "1.5", "-1", "999"] {
        let text = format!(
            "path,status,Pneumonia,x,age,sex,none\na.png,ok,0.25,0.5,54,f,NA\n\
             b.png,ok,{slip},0.5,61,m,NaN\n"
        );
        let table = PredictionTable::parse(Path::new("t.csv"), text.as_bytes()).unwrap();
        assert_eq!(table.labels(), ["x"]);
        let remarks: Vec<_> = table.remarks().collect();
        let expected = [
            format!("column Pneumonia is not taken for scores: \"{slip}\" in row 2"),
            "column none has no score in any row".to_owned(),
        ];
        assert!(
            remarks.len() == 2 && remarks.iter().zip(expected).all(|(r, e)| r.contains(&e)),
            "{remarks:?}"
        );
    }
}

#[test]
fn rows_that_say_more_beside_rows_that_say_less_are_one_table() {
    let text = "{\"path\":\"a.png\",\"status\":\"ok\",\"Pneumonia\":0.25}\n\
            {\"path\":\"b.png\",\"status\":\"ok\",\"Pneumonia\":0.5,\"image_sha256\":\"ab\"}\n";
    let table = PredictionTable::parse(Path::new("t.jsonl"), text.as_bytes()).unwrap();
    let found = scores(&table, &["a.png", "b.png"], "").unwrap();
    assert_eq!(found, [Some(0.25), Some(0.5)]);
    let other = text.replace("image_sha256", "Effusion");
    assert!(PredictionTable::parse(Path::new("t.jsonl"), other.as_bytes()).is_err());
}

#[test]
fn a_table_at_another_prevalence_than_the_cards_is_refused() {
    let calibrated = |name: &str| LabelCard {
        calibration: Some(Calibration {
            slope: 1.0,
            intercept: 0.0,
            prevalence: Prevalence::new(0.5).unwrap(),
        }),
        ..LabelCard::new(name, crate::domain::Question::Presence, None)
    };
    let card = ModelCard {
        labels: vec![calibrated("Pneumonia"), calibrated("COVID-19")],
        ..ModelCard::default()
    };
    let csv = "path,status,COVID-19,prevalence\na.png,ok,0.25,Pneumonia=0.5; COVID-19=SHARE\n\
                   b.png,error,,\n";
    let line = r#"{"path":"a.png","status":"ok","COVID-19":0.25,"prevalence":{"Pneumonia":0.5,"COVID-19":SHARE}}"#;
    let array = format!("[\n{line}\n]");
    let earlier = "path,status,COVID-19\na.png,ok,0.25\n";
    let check = |text: &str| {
        let table = PredictionTable::parse(Path::new("pv.csv"), text.as_bytes()).unwrap();
        let checked = table.refuse_another_prevalence(&card);
        checked.map_err(|error| error.to_string())
    };
    assert_eq!(check(earlier), Ok(()));
    for text in [csv, line, &array] {
        assert_eq!(check(&text.replace("SHARE", "0.5")), Ok(()), "{text}");
        let error = check(&text.replace("SHARE", "0.0001")).unwrap_err();
        let expected = "pv.csv assumes COVID-19=0.0001, and the model's card 0.5";
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn other_tables_are_told() {
    for (text, reason) in [
        ("", "no columns path and status"),
        ("path,finding\na,b\n", "no columns path and status"),
        ("[{\"path\":1}]\n", "no columns path and status"),
        ("[1, 2]\n", "no columns path and status"),
        ("path,status,x\na.png,ok,high\n", "no column of scores"),
        ("path,status,x\na.png,ok,1.5\n", "no column of scores"),
        (
            "path,status,x\na.png,ok,0.5\nb.png\n",
            "row 2 has other columns",
        ),
        (
            "path,status,x,model_sha256\na,ok,0.5,1\nb,ok,0.5,2\n",
            "several models",
        ),
        // Two tables side by side.
        (
            "path,status,Pneumonia,path,status,Pneumonia\na,ok,0.5,a,ok,0.25\n",
            "t.csv: column path is there twice",
        ),
        (
            "path,status,Pneumonia,Effusion,Pneumonia\na,ok,0.5,0.5,0.25\n",
            "t.csv: column Pneumonia is there twice",
        ),
        (
            "path,status,x,patient,patient\na,ok,0.5,1,2\n",
            "t.csv: column patient is there twice",
        ),
    ] {
        let error = PredictionTable::parse(Path::new("t.csv"), text.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(reason), "{text}: {error}");
        assert!(error.is::<Usage>());
    }
}

#[test]
fn columns_that_nothing_is_read_from_may_share_a_name() {
    let text = "path,status,x,remark,remark,,\na,ok,0.5,good,bad,1,2\n";
    let table = PredictionTable::parse(Path::new("t.csv"), text.as_bytes()).unwrap();
    assert_eq!(table.labels(), ["x"]);
}

/// A table of `--pseudonym-key` says whose images they are; a manifest that says so itself knows better.
#[test]
fn patients_come_from_the_table_where_the_manifest_has_none() {
    let text = "path,status,Pneumonia,patient,study_uid,pseudonym_key\n\
        a.png,ok,0.25,CXR-1,2.25.1,0a\nb.png,ok,0.75,CXR-1,2.25.2,0a\nc.png,ok,0.5,,,0a\n";
    let table = PredictionTable::parse(Path::new("t.csv"), text.as_bytes()).unwrap();
    assert_eq!(table.labels(), ["Pneumonia"]);
    let manifest = |has_patient_column| Manifest {
        cases: ["a.png", "b.png", "c.png"].map(case).to_vec(),
        group_columns: Vec::new(),
        rows: 3,
        skipped: Skipped::default(),
        has_patient_column,
        is_every_split: false,
    };
    let patients = |mut manifest: Manifest| {
        let rows = table.matched(&manifest.cases, Path::new("")).unwrap();
        table.lend_patients(&rows, &mut manifest);
        let without = manifest.without_patient();
        let all: Vec<_> = manifest
            .cases
            .into_iter()
            .map(|case| case.patient)
            .collect();
        (all, without)
    };
    let told = ["CXR-1", "CXR-1", ""].map(str::to_owned).to_vec();
    assert_eq!(patients(manifest(false)), (told, 1));
    assert_eq!(patients(manifest(true)), (vec![String::new(); 3], 3));
}

#[test]
fn a_severity_is_read_as_the_scores_are_and_no_other_cell_is_dropped() {
    let read = |extent: &str| {
        let text = format!(
            "sep=;\npath;status;Pneumonia;geographic_extent;opacity\na.png;ok;0,25;{extent};1\nb.png;refused;;-;-\n"
        );
        let table = PredictionTable::parse(Path::new("t.csv"), text.as_bytes());
        table
            .map(|table| table.rows[0].outcome.clone())
            .map_err(|error| error.to_string())
    };
    for (cell, geographic_extent) in [
        ("2,7", Some(2.7)),
        ("2.7", Some(2.7)),
        ("3", Some(3.0)),
        ("", None),
        ("nan", None),
        ("inf", None),
    ] {
        let expected = CaseOutcome::Scored {
            labels: vec![Some(0.25)],
            geographic_extent,
            opacity: Some(1.0),
        };
        assert_eq!(read(cell), Ok(expected), "{cell}");
    }
    for cell in ["8,1", "-1", "much"] {
        assert_eq!(
            read(cell).unwrap_err(),
            format!(
                "t.csv: the row of a.png: {cell:?} in column geographic_extent is no number from 0 to 8"
            )
        );
    }
}
