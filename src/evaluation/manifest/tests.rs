mod same_file;

use std::os::unix::ffi::OsStrExt;

use super::*;
use crate::evaluation::question::Cause;

fn read(text: &str, columns: &ManifestColumns) -> Result<Manifest, ManifestError> {
    Manifest::parse(text.as_bytes(), columns)
}

fn plain(text: &str) -> Manifest {
    read(text, &ManifestColumns::default()).unwrap()
}

fn label(label: &str, column: &str) -> LabelColumn {
    LabelColumn {
        label: label.to_owned(),
        column: column.to_owned(),
    }
}

fn filter(column: &str, value: &str) -> RowFilter {
    RowFilter {
        column: column.to_owned(),
        value: value.to_owned(),
    }
}

#[test]
fn rows_become_cases_and_others_are_counted() {
    let manifest = plain(
        "path,source,patient,finding,modality,view,duplicate_of,geographic_extent,opacity\n\
         a.jpg,nih,p1,No Finding,X-ray,PA,,,\n\
         b.jpg,nih,p1,Effusion,X-ray,PA,a.jpg,,\n\
         c.jpg,x,p2,Pneumonia/Viral/COVID-19,X-ray,AP Supine,,3.5,nan\n\
         d.jpg,x,p2,Pneumonia,X-ray,L,,,\n\
         e.jpg,x,p2,Pneumonia,CT,Axial,,,\n\
         ,x,p2,Pneumonia,X-ray,PA,,,\n\
         a.jpg,nih,p1,No Finding,X-ray,PA,,,\n",
    );
    assert_eq!((manifest.rows, manifest.cases.len()), (7, 2));
    let skipped = Skipped {
        duplicates: 2,
        not_frontal: 2,
        modalities: ["CT".to_owned()].into(),
        without_file: 1,
        ..Skipped::default()
    };
    assert_eq!(manifest.skipped, skipped);
    assert_eq!(manifest.group_columns, ["source"]);
    let covid = &manifest.cases[1];
    assert_eq!(
        (covid.patient.as_str(), &covid.groups[..]),
        ("p2", &["x".to_owned()][..])
    );
    assert_eq!(covid.truth.cause, Some(Cause::Covid19));
    assert_eq!(covid.truth.geographic_extent, Some(3.5));
    assert_eq!(covid.truth.opacity, None);
}

/// R writes `NA` in every cell that is missing, pandas `nan` where it is asked to.
#[test]
fn words_for_a_missing_value_are_no_values() {
    let manifest = plain(
        "path,patient,finding,modality,view,duplicate_of\n\
         a.jpg,NA,No Finding,NA,NA,NA\n\
         b.jpg,nan,Pneumonia,<NA>,null,nan\n\
         NA,p1,Pneumonia,NA,NA,NA\n",
    );
    assert_eq!(manifest.cases.len(), 2);
    assert_ne!(manifest.cases[0].patient, manifest.cases[1].patient);
    let skipped = Skipped {
        without_file: 1,
        ..Skipped::default()
    };
    assert_eq!(manifest.skipped, skipped);
}

#[test]
fn the_last_row_counts_without_a_line_end_and_line_ends_may_stand_in_quotes() {
    let text = "path,finding,note\r\na.jpg,Pneumonia,\"two\r\nlines\"\r\nb.jpg,No Finding,";
    for text in [text.to_owned(), format!("\u{feff}{text}\r\n")] {
        assert_eq!(plain(&text).cases.len(), 2, "{text:?}");
    }
}

#[test]
fn the_metadata_of_the_image_data_collection() {
    let manifest = plain(
        "patientid,offset,finding,view,modality,folder,filename\n\
         2,0,Pneumonia/Viral/COVID-19,PA,X-ray,images,a.jpeg\n\
         2,3,Pneumonia/Viral/COVID-19,L,X-ray,images,b.jpeg\n\
         3,3,Pneumonia/Viral/COVID-19,Axial,CT,volumes,c.nii.gz\n",
    );
    assert_eq!(manifest.cases.len(), 1);
    assert_eq!(manifest.cases[0].path, PathBuf::from("images/a.jpeg"));
    assert_eq!(manifest.cases[0].patient, "2");
    assert!(manifest.has_patient_column && manifest.group_columns.is_empty());
    // As it was in March 2020: no folder, no modality, flat names.
    let older = plain(
        "Patientid,offset,finding,view,filename\n\
         1,,\"COVID-19, ARDS\",PA,a.jpg\n1,,COVID-19,CT,b.jpg\n3,,SARS,PA,c.jpg\n",
    );
    assert_eq!(older.cases.len(), 2);
    assert_eq!(older.cases[0].truth.covid, Some(true));
    assert_eq!(older.cases[1].truth.cause, Some(Cause::Viral));
}

#[test]
fn any_table_is_read_by_the_names_of_its_columns() {
    let columns = ManifestColumns {
        path: Some("Datei".to_owned()),
        patient: Some("fall".to_owned()),
        labels: vec![label("Pneumonia", "pneu"), label("COVID-19", "pcr")],
        groups: vec!["Haus".to_owned(), "sex".to_owned()],
        ..ManifestColumns::default()
    };
    let text = "\u{feff}Datei;fall;pneu;pcr;Haus;sex\n\
                a.dcm;1;ja;;A;f\n";
    let error = read(text, &columns).unwrap_err().to_string();
    assert_eq!(
        error,
        "row 1: \"ja\" in column pneu is neither yes nor no (0/1, yes/no)"
    );
    let manifest = read(&text.replace("ja", "Yes"), &columns).unwrap();
    let case = &manifest.cases[0];
    assert_eq!(case.truth.labels, [("Pneumonia".to_owned(), true)].into());
    assert_eq!(case.groups, ["A", "f"]);
    assert_eq!(case.truth.pneumonia, None);
}

/// A column of ones and noughts that is called `opacity` is no severity from 0 to 6.
#[test]
fn a_column_that_answers_for_a_label_is_no_severity() {
    let table = "path,Opacity,geographic_extent\na.png,1,4.5\n";
    let columns = ManifestColumns {
        labels: vec![label("Pneumonia", "Opacity")],
        ..ManifestColumns::default()
    };
    let truth = read(table, &columns).unwrap().cases.remove(0).truth;
    assert_eq!((truth.opacity, truth.geographic_extent), (None, Some(4.5)));
}

#[test]
fn outcomes_and_views_are_read_and_a_case_with_an_outcome_is_kept() {
    let columns = ManifestColumns {
        outcomes: vec![label("icu", "went_icu"), label("death", "died")],
        ..ManifestColumns::default()
    };
    let text = "path,view,went_icu,died\n\
                a.png,PA,Y,no\n\
                b.png,AP Supine,0,\n\
                c.png,,,NA\n";
    let mut manifest = read(text, &columns).unwrap();
    let of = |at: usize| &manifest.cases[at];
    assert_eq!(
        of(0).outcomes,
        [("icu".to_owned(), true), ("death".to_owned(), false)].into()
    );
    assert_eq!(of(1).outcomes, [("icu".to_owned(), false)].into());
    assert!(of(2).outcomes.is_empty());
    let views = manifest.cases.iter().map(|case| case.view);
    assert_eq!(
        views.collect::<Vec<_>>(),
        [ViewPosition::Pa, ViewPosition::Ap, ViewPosition::Unknown]
    );
    manifest.keep_answered(&[]);
    assert_eq!(
        (manifest.cases.len(), manifest.skipped.unanswered),
        (2, 1),
        "no column of findings is needed"
    );
    let error = read(&text.replace("Y,no", "3,no"), &columns).unwrap_err();
    assert_eq!(
        error.to_string(),
        "row 1: \"3\" in column went_icu is neither yes nor no (0/1, yes/no)"
    );
    let error = read("path\na.png\n", &columns).unwrap_err().to_string();
    assert!(error.starts_with("no column went_icu"), "{error}");
}

#[test]
fn a_view_is_recognised_by_its_words_and_lateral_films_are_no_cases() {
    let text = "path,view,finding\n\
                a.png,PA_erect,No Finding\n\
                b.png,ap-supine,No Finding\n\
                c.png,LAT,No Finding\n\
                d.png,Right Lateral,No Finding\n\
                e.png,apical lordotic,No Finding\n\
                f.png,chest AP,No Finding\n\
                g.png,PA LLD,No Finding\n";
    let manifest = read(text, &ManifestColumns::default()).unwrap();
    let views = manifest.cases.iter().map(|case| case.view);
    assert_eq!(
        views.collect::<Vec<_>>(),
        [
            ViewPosition::Pa,
            ViewPosition::Ap,
            ViewPosition::Unknown,
            ViewPosition::Ap,
            ViewPosition::Unknown
        ]
    );
    assert_eq!(manifest.skipped.not_frontal, 2);
}

#[test]
fn filters_of_a_column_add_up_and_of_several_narrow_down() {
    let text = "path,finding,split,sex\na,No Finding,test,F\nb,No Finding,val,F\n\
                c,No Finding,train,F\nd,No Finding,test,M\n";
    let chosen = |filters: Vec<RowFilter>| {
        let columns = ManifestColumns {
            filters,
            ..ManifestColumns::default()
        };
        read(text, &columns).map(|manifest| manifest.cases.len())
    };
    assert_eq!(chosen(vec![filter("split", "test")]).unwrap(), 2);
    let both = vec![filter("split", "test"), filter("split", "VAL")];
    assert_eq!(chosen(both.clone()).unwrap(), 3);
    assert_eq!(
        chosen([both, vec![filter("sex", "F")]].concat()).unwrap(),
        2
    );
    let error = chosen(vec![filter("split", "tset")]).unwrap_err();
    assert_eq!(error.to_string(), "no row has split=tset");
    assert!(chosen(vec![filter("fold", "1")]).is_err());
}

#[test]
fn boxes_are_read_where_they_are_asked_for_and_keep_their_case() {
    let text = "path,finding,Boxes\na,Tuberculosis,0.1 0.2 0.3 0.4;0.5 0.5 0.25 0.25\n\
                b,No Finding,\nc,Tuberculosis,NA\nd,Tuberculosis,0.5 0.5 0.5\n";
    let columns = ManifestColumns {
        boxes: Some("boxes".to_owned()),
        ..ManifestColumns::default()
    };
    let error = read(text, &columns).unwrap_err().to_string();
    assert_eq!(
        error,
        "row 4: \"0.5 0.5 0.5\" in column boxes: a box is four numbers, x y w h, and boxes are joined by ;"
    );
    let mut manifest = read(&text.replace("0.5 0.5 0.5\n", "\n"), &columns).unwrap();
    let counts: Vec<usize> = manifest.cases.iter().map(|case| case.boxes.len()).collect();
    assert_eq!(counts, [2, 0, 0, 0]);
    manifest.keep_answered(&crate::evaluation::questions(&["Pneumonia".to_owned()]));
    let kept: Vec<_> = manifest.cases.iter().map(|case| &case.path).collect();
    assert_eq!(kept, [&PathBuf::from("a"), &PathBuf::from("b")]);
    // A column that is not asked for is not read.
    assert!(plain(text).cases.iter().all(|case| case.boxes.is_empty()));
    let absent = ManifestColumns {
        boxes: Some("rsna_boxes".to_owned()),
        ..ManifestColumns::default()
    };
    let error = read(text, &absent).unwrap_err().to_string();
    assert!(
        error.starts_with("no column rsna_boxes; there are: path"),
        "{error}"
    );
}

#[test]
fn without_patients_each_image_is_its_own() {
    let manifest = plain("file,finding\na,Pneumonia\nb,Pneumonia\n");
    assert!(!manifest.has_patient_column);
    assert_ne!(manifest.cases[0].patient, manifest.cases[1].patient);
}

#[test]
fn what_cannot_be_used_is_said_in_one_line() {
    let error = |text: &[u8], columns: &ManifestColumns| {
        let message = Manifest::parse(text, columns).unwrap_err().to_string();
        assert!(message.len() < 700, "{message}");
        assert!(!message.contains(|c: char| c.is_control()), "{message:?}");
        message
    };
    let plain = ManifestColumns::default();
    assert_eq!(error(b"", &plain), "it is empty");
    assert_eq!(error(b" \n\n", &plain), "it is empty");
    assert_eq!(error(b"path,finding\n", &plain), "it is empty");
    assert!(error(b"path,colour\na,b\n", &plain).starts_with("no column finding"));
    assert!(error(b"name,finding\na,b\n", &plain).contains("there are: name, finding"));
    error(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xfe\x1b[2J", &plain);
    error(&b"\0\xff,".repeat(9000), &plain);
    let grouped = ManifestColumns {
        groups: vec!["path".to_owned()],
        ..ManifestColumns::default()
    };
    let many: String = (0..60).map(|n| format!("{n}.png,Pneumonia\n")).collect();
    let many = format!("path,finding\n{many}");
    assert!(error(many.as_bytes(), &grouped).contains("too many to group by"));
}

#[test]
fn short_rows_and_bytes_that_are_no_text_are_rows() {
    let manifest = Manifest::parse(
        &b"path,patient,finding\n\xff\xfe.png,p,Pneumonia\nonly\n"[..],
        &ManifestColumns::default(),
    )
    .unwrap();
    assert_eq!(manifest.cases.len(), 2);
    assert_eq!(
        manifest.cases[0].path.as_os_str().as_bytes(),
        b"\xff\xfe.png"
    );
    assert_eq!(manifest.cases[1].truth, ReferenceStandard::default());
}

proptest::proptest! {
    #[test]
    fn no_bytes_break_it(bytes: Vec<u8>, head in proptest::bool::ANY) {
        let mut text = if head { b"path,finding,source\n".to_vec() } else { Vec::new() };
        text.extend(bytes);
        let _ = Manifest::parse(&text[..], &ManifestColumns::default());
    }
}

/// An unquoted comma moves every cell after it into the next column.
#[test]
fn a_row_with_more_cells_than_columns_is_refused_with_its_line() {
    let columns = ManifestColumns {
        labels: vec![label("Pneumonia", "Pneumonia")],
        ..ManifestColumns::default()
    };
    let head = "path,note,Pneumonia\r\n\"a.png\",\"two\r\nlines\",1\r\n";
    let error = read(&format!("{head}b.png,63,0,1\r\n"), &columns).unwrap_err();
    assert_eq!(
        error.to_string(),
        "row 2: line 4 of the file has 4 cells, and the header names 3 columns; quote a cell that holds the separator"
    );
    // Spreadsheets end rows with empty cells, and write fewer where the last ones are empty.
    let text = format!("{head}b.png,63,0,, ,\r\nc.png\r\n");
    let manifest = read(&text, &columns).unwrap();
    let known = manifest
        .cases
        .iter()
        .map(|case| case.truth.labels.get("Pneumonia").copied());
    assert_eq!(known.collect::<Vec<_>>(), [Some(true), Some(false), None]);
    let filtered = ManifestColumns {
        filters: vec![filter("path", "a.png")],
        ..columns
    };
    assert!(read(&format!("{head}b.png,63,0,1\r\n"), &filtered).is_err());
}

#[test]
fn a_column_whose_name_is_there_twice_is_refused_where_it_is_read() {
    let labels = |column: &str| ManifestColumns {
        labels: vec![label("Pneumonia", column)],
        ..ManifestColumns::default()
    };
    let text = "path,pneu,source,Pneu,source\na.png,1,x,0,y\n";
    let said = |text: &str, columns: &ManifestColumns| match read(text, columns) {
        Ok(manifest) => format!("{:?}", manifest.cases),
        Err(error) => error.to_string(),
    };
    assert_eq!(said(text, &labels("pneu")), "column source is there twice");
    let text = "path,pneu,Pneu,note,note\na.png,1,0,x,y\n";
    assert_eq!(said(text, &labels("PNEU")), "column PNEU is there twice");
    // Each of the two is meant by its own spelling, and a column that is not read may have any name.
    for (column, yes) in [("pneu", true), ("Pneu", false)] {
        let manifest = read(text, &labels(column)).unwrap();
        assert_eq!(manifest.cases[0].truth.labels.get("Pneumonia"), Some(&yes));
    }
    let text = "path,path,pneu\na.png,b.png,1\n";
    assert_eq!(said(text, &labels("pneu")), "column path is there twice");
}

/// A patient in some of the rows is none in the others.
#[test]
fn rows_without_a_patient_are_counted() {
    let without = |text: &str| plain(text).without_patient();
    assert_eq!(without("path,finding\na,Pneumonia\nb,Pneumonia\n"), 2);
    assert_eq!(
        without("path,patient,finding\na,,Pneumonia\nb,NA,Pneumonia\n"),
        2
    );
    assert_eq!(
        without("path,patient,finding\na,1,Pneumonia\nb,,Pneumonia\n"),
        1
    );
    assert_eq!(
        without("path,patient,finding\na,1,Pneumonia\nb,1,Pneumonia\n"),
        0
    );
}

#[test]
fn a_severity_is_a_number_of_its_scale_or_missing() {
    let read = |extent: &str| {
        plain_or_error(&format!(
            "path;finding;geographic_extent\na.png;COVID-19;{extent}\n"
        ))
        .map(|manifest| manifest.cases[0].truth.geographic_extent)
    };
    for (cell, value) in [
        ("2,7", Some(2.7)),
        ("2.7", Some(2.7)),
        ("3", Some(3.0)),
        ("0", Some(0.0)),
        ("8,0", Some(8.0)),
        ("NA", None),
        ("", None),
        ("unknown", None),
        ("-1", None),
    ] {
        assert_eq!(read(cell), Ok(value), "{cell}");
    }
    for cell in ["8,1", "-0.5", "mild", "2,7x", "1.234,5", "inf"] {
        assert_eq!(
            read(cell).unwrap_err(),
            format!(
                "row 1: {cell:?} in column geographic_extent is no number from 0 to 8; rename a column that is no such \
                 severity"
            )
        );
    }
    let opacity =
        |cell: &str| plain_or_error(&format!("path\tfinding\topacity\na\tSARS\t{cell}\n"));
    assert!(opacity("6").is_ok() && opacity("6.5").is_err());
}

fn plain_or_error(text: &str) -> Result<Manifest, String> {
    read(text, &ManifestColumns::default()).map_err(|error| error.to_string())
}

#[test]
fn every_word_for_a_radiograph_is_one_and_another_modality_is_named() {
    let words = [
        "X-ray",
        "XR",
        "DR",
        "dx",
        "RG",
        "Radiograph",
        "\"CR, DX\"",
        "DX\\CR",
        "\"['DX']\"",
        "cr;dx",
        "NA",
    ];
    let rows = words.map(|word| format!("{word}.png,Pneumonia,{word}\n"));
    let text = format!("path,finding,modality\n{}", rows.concat());
    assert_eq!(plain(&text).skipped, Skipped::default());
    assert_eq!(plain(&text).cases.len(), words.len());
    let manifest = plain(&format!(
        "{text}a,SARS,MR\nb,SARS,CT\nc,SARS,\"CR,CT\"\nd,SARS,CT\n"
    ));
    assert_eq!(manifest.cases.len(), words.len());
    assert_eq!(
        manifest.skipped.words(),
        ["4 not frontal radiographs (modality CR,CT, CT, MR)"]
    );
    let many: String = (0..9).map(|n| format!("{n},SARS,m{n}\n")).collect();
    assert_eq!(plain(&format!("{text}{many}")).skipped.modalities.len(), 5);
}

#[test]
fn a_cell_that_says_no_marks_no_duplicate() {
    let manifest = plain(
        "path,finding,duplicate_of\na,SARS,False\nb,SARS,0\nc,SARS,no\nd,SARS,\ne,SARS,a\nf,SARS,True\n",
    );
    assert_eq!((manifest.cases.len(), manifest.skipped.duplicates), (4, 2));
}

/// For spreadsheets a first line tells the separator.
#[test]
fn a_line_that_names_the_separator_is_no_header() {
    for (line, sign) in [
        ("sep=,", ","),
        ("SEP=;\r", ";"),
        ("\"sep=;\"", ";"),
        ("sep=|", "|"),
    ] {
        let table = "path;finding;a,b,c,d,e\na.png;SARS;x\n";
        let table = if sign == "," {
            table.replace(',', "_")
        } else {
            table.to_owned()
        };
        let text = format!("\u{feff}{line}\n{}", table.replace(';', sign));
        let manifest = plain_or_error(&text).unwrap();
        assert_eq!(manifest.cases[0].path, PathBuf::from("a.png"), "{line}");
        let error = plain_or_error(&format!("{text}b{sign}SARS{sign}{sign}y\n")).unwrap_err();
        assert!(
            error.starts_with("row 2: line 4 of the file has 4 cells"),
            "{error}"
        );
    }
    assert_eq!(plain_or_error("sep=;\n \n").unwrap_err(), "it is empty");
}
