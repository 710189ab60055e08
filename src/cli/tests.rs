use std::path::PathBuf;

use super::*;

fn parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
    let arguments = std::iter::once(&"cxr").chain(arguments);
    Cli::try_parse_from(arguments).and_then(Cli::checked)
}

#[test]
fn the_definitions_are_sound() {
    command().debug_assert();
}

#[test]
fn paths_without_a_command_are_for_the_screen() {
    let cli = parse(&["samples", "./predict", "--graphics", "blocks"]).unwrap();
    assert!(cli.command.is_none());
    assert_eq!(
        cli.browse.paths,
        [PathBuf::from("samples"), PathBuf::from("./predict")]
    );
    assert_eq!(cli.browse.terminal.graphics, Some(GraphicsArgument::Blocks));
    assert!(parse(&[]).unwrap().browse.paths.is_empty());
}

#[test]
fn a_command_may_follow_an_option_of_every_command() {
    for arguments in [
        ["--color", "never", "predict", "samples"],
        ["predict", "--color", "never", "samples"],
    ] {
        let cli = parse(&arguments).unwrap();
        assert_eq!(cli.appearance.color, Some(ColorWhen::Never));
        assert!(matches!(cli.command, Some(Command::Predict(p)) if p.paths.len() == 1));
    }
}

#[test]
fn after_a_path_everything_is_a_path() {
    let cli = parse(&["samples", "predict"]).unwrap();
    assert!(cli.command.is_none());
    assert_eq!(cli.browse.paths.len(), 2);
}

#[test]
fn an_option_of_the_screen_before_a_command_is_refused() {
    let error = parse(&["--graphics", "off", "doctor"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ArgumentConflict);
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn a_prevalence_may_be_said_of_several_labels_with_and_without_a_command() {
    let both = [
        "--prevalence",
        "COVID-19=5%",
        "--prevalence",
        "Pneumonia=0.3",
    ];
    let screen = parse(&[&both[..], &["samples"]].concat()).unwrap();
    assert_eq!(
        screen.browse.assumptions.prevalence,
        ["COVID-19=5%", "Pneumonia=0.3"]
    );
    let predict = parse(&[&["predict", "samples"], &both[..]].concat()).unwrap();
    assert!(
        matches!(predict.command, Some(Command::Predict(p)) if p.assumptions.prevalence.len() == 2)
    );
}

#[test]
fn limits_may_be_given_before_or_after_a_command() {
    for arguments in [
        ["--max-megapixels", "7", "predict", "x"],
        ["predict", "--max-megapixels", "7", "x"],
    ] {
        let cli = parse(&arguments).unwrap();
        assert_eq!(cli.files.max_megapixels.unwrap().get(), 7);
    }
    assert!(parse(&["predict", "x", "--max-memory", "0"]).is_err());
}

#[test]
fn evaluate_needs_a_manifest_and_takes_columns_again_and_again() {
    assert!(parse(&["evaluate"]).is_err());
    let arguments = "evaluate -m m.csv --label-column Pneumonia=a --label-column COVID-19=b \
                     --where sex=F --where split=test --split val";
    let cli = parse(&arguments.split_whitespace().collect::<Vec<_>>()).unwrap();
    let Some(Command::Evaluate(evaluate)) = cli.command else {
        panic!("another command");
    };
    assert_eq!(evaluate.cases.label_column, ["Pneumonia=a", "COVID-19=b"]);
    assert_eq!(evaluate.cases.filters.len(), 2);
    assert_eq!(evaluate.cases.split.as_deref(), Some("val"));
}

#[test]
fn adapt_needs_cases_and_a_place_for_the_new_model() {
    let parsed = parse(&["adapt", "-m", "m.csv", "-o", "a.safetensors"]).unwrap();
    let Some(Command::Adapt(adapt)) = parsed.command else {
        panic!("another command");
    };
    assert_eq!(adapt.method, MethodArgument::Recalibrate);
    assert!(!adapt.force && adapt.date.is_none());
    for missing in [&["adapt", "-m", "m.csv"], &["adapt", "-o", "a"]] {
        assert_eq!(parse(missing).unwrap_err().exit_code(), 2);
    }
}

#[test]
fn options_that_predict_refuses_are_bad_usage() {
    for arguments in [
        &["predict"][..],
        &["predict", "x", "--format", "xml"],
        &["predict", "x", "--jobs", "0"],
        &["predict", "x", "--resume"],
        &["predict", "x", "--heatmap-label", "Pneumonia"],
        &["predict", "x", "--no-such-thing"],
    ] {
        assert_eq!(
            parse(arguments).unwrap_err().exit_code(),
            2,
            "{arguments:?}"
        );
    }
}
