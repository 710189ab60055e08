use super::*;
use crate::cli::{AsciiWhen, ColorWhen, ColumnArgument, GraphicsArgument, ThemeArgument};

fn read(text: &str) -> Result<Config, Vec<ConfigFault>> {
    match parse(text, Path::new("/etc/cxr")) {
        (config, faults) if faults.is_empty() => Ok(config),
        (_, faults) => Err(faults),
    }
}

/// Loads a file without further checks.
fn load(path: &Path) -> Result<Option<Config>, Rejected> {
    super::load(path, |_| Vec::new())
}

/// `LINE REASON`, one on each line.
fn faults(text: &str) -> String {
    let faults = read(text).expect_err("no mistakes found");
    let rejected = Rejected::new(Path::new("c.toml"), faults).to_string();
    rejected.replace("c.toml:", "")
}

#[test]
fn every_key_is_read() {
    let text = r#"
        theme = "high-contrast"
        color = "never"
        ascii = "always"
        graphics = "blocks"
        columns = ["name", "score"]
        model = "models/ours.safetensors"
        model-memory = 1_024
        background = false
        prognosis = true
        jobs = 0x10
        reviewer = "Dr. Rao"
        store = "/var/reviews.sqlite"
        max-megapixels = 50
        max-memory = 512
        decode-timeout = 5
        pacs-ca = "ca.pem"
        pacs-credentials = "pass show pacs"
        pacs-memory = 64
        pacs-timeout = 9
        [prevalence]
        "COVID-19" = "5%"
        Pneumonia = 0.3
        [open]
        film = ["weasis", "{}"]
        folder-in-terminal = ["yazi"]
        [keys]
        quit = "Q"
        next = ["j", "ctrl-n"]
        undo = []
    "#;
    let config = read(text).unwrap();
    assert_eq!(config.look.theme, Some(ThemeArgument::HighContrast));
    assert_eq!(config.look.ascii, Some(AsciiWhen::Always));
    assert_eq!(
        config.look.columns,
        Some(vec![ColumnArgument::Name, ColumnArgument::Score])
    );
    assert_eq!(config.appearance.color, Some(ColorWhen::Never));
    assert_eq!(config.terminal.graphics, Some(GraphicsArgument::Blocks));
    let chosen = ModelSetting {
        model: "/etc/cxr/models/ours.safetensors".into(),
        line: 7,
    };
    assert_eq!(config.model, Some(chosen), "from the folder of the file");
    assert_eq!(config.model_memory, NonZeroU32::new(1_024));
    assert_eq!(config.background, Some(false));
    assert_eq!(config.prognosis, Some(true));
    assert_eq!(config.jobs, NonZeroUsize::new(16));
    assert_eq!(config.reviewer.as_deref(), Some("Dr. Rao"));
    assert_eq!(config.store, Some("/var/reviews.sqlite".into()));
    let limits = (
        config.files.max_megapixels,
        config.files.max_memory,
        config.files.decode_timeout,
    );
    let number = NonZeroU32::new;
    assert_eq!(limits, (number(50), number(512), number(5)));
    let pacs = PacsArguments {
        keep: None,
        pacs_ca: Some("/etc/cxr/ca.pem".into()),
        pacs_timeout: number(9),
        pacs_memory: number(64),
        pacs_credentials: Some("pass show pacs".to_owned()),
    };
    assert_eq!(config.pacs, pacs);
    assert_eq!(config.prevalence, ["COVID-19=5%", "Pneumonia=0.3"]);
    let keys: Vec<(&str, usize)> = config.keys.iter().map(|k| (&*k.action, k.line)).collect();
    assert_eq!(keys, [("next", 29), ("quit", 28), ("undo", 30)]);
    let open: Vec<_> = config
        .open
        .iter()
        .map(|o| (o.opens, o.command.len()))
        .collect();
    assert_eq!(open, [(OpenKey::Film, 2), (OpenKey::FolderInTerminal, 1)]);
    assert_eq!(config.keys[0].keys, ["j", "ctrl-n"]);
}

#[test]
fn a_program_that_opens_films_is_a_list_and_there_is_one() {
    assert_eq!(
        faults("[open]\nfilm = \"weasis\"\nfolder = []\nmovie = [\"a\"]\nfolder-in-terminal = [3]"),
        "2: open of film is a list in [], not \"weasis\"\n\
         3: open of folder begins with a program, as [\"weasis\", \"{}\"]\n\
         4: open of movie is none of film, film-in-terminal, folder, folder-in-terminal\n\
         5: open of folder-in-terminal has a word that is no text: 3"
    );
    assert_eq!(
        faults("[open]\nfilm = [\"a\"]\nfilm-in-terminal = [\"b\"]"),
        "1: open has film and film-in-terminal: one of them"
    );
}

#[test]
fn a_name_of_a_model_is_no_file_and_home_is_home() {
    let config = read("model = \"densenet121-res224-all\"\nstore = \"~/r.sqlite\"").unwrap();
    assert_eq!(
        config.model.unwrap().model,
        Path::new("densenet121-res224-all")
    );
    let home = PathBuf::from(std::env::var_os("HOME").unwrap());
    assert_eq!(config.store, Some(home.join("r.sqlite")));
}

#[test]
fn a_file_without_keys_changes_nothing() {
    assert_eq!(read("").unwrap(), Config::default());
    assert_eq!(
        read("# theme = \"dark\"\n[keys]\n").unwrap(),
        Config::default()
    );
}

#[test]
fn all_mistakes_are_named_with_their_lines() {
    let text = "\
thme = \"dark\"
colour = \"auto\"
theme = \"drak\"
fonts = 7
max-memory = 0
max-megapixels = \"many\"
decode-timeout = 99999999999
background = \"yes\"
columns = [
    \"name\",
    \"nmae\",
]
reviewer = \"\"
jobs = -1

[prevalence]
COVID-19 = 5
Pneumonia = \"150%\"
[keys]
next = [7]
quit = true
";
    assert_eq!(
        faults(text),
        "\
1: thme: no such key; did you mean theme?
2: colour: no such key; did you mean color?
3: theme is one of auto, dark, light, high-contrast, terminal, not \"drak\"; did you mean dark?
4: fonts: no such key; `cxr config --default` shows all
5: max-memory is a whole number from 1 to 4294967295, not 0
6: max-megapixels is a whole number from 1 to 4294967295, not \"many\"
7: decode-timeout is a whole number from 1 to 4294967295, not 99999999999
8: background is true or false, not \"yes\"
11: columns is one of mark, name, date, view, age, score, words, not \"nmae\"; did you mean name?
13: reviewer is an empty text: fill it in, or take the line out
14: jobs is a whole number from 1 to 4294967295, not -1
17: prevalence of COVID-19 is a share, as 0.05 or \"5%\", neither end included, not 5
18: prevalence of Pneumonia is a share, as 0.05 or \"5%\", neither end included, not \"150%\"
20: keys of next is a key or a list of keys, not a list
21: keys of quit is a key or a list of keys, not true"
    );
}

#[test]
fn a_line_that_is_no_toml_is_named_beside_the_other_mistakes() {
    let faults =
        faults("theme = dark\ncolor = \"red\"\ngraphics = \"off\"\ngraphics = \"kitty\"\nx\n");
    let lines: Vec<&str> = faults.lines().collect();
    assert_eq!(lines.len(), 4, "{faults}");
    for (line, begin) in lines
        .iter()
        .zip(["1: ", "2: color is one of", "4: ", "5: "])
    {
        assert!(line.starts_with(begin), "{line}");
    }
}

/// The values beside a mistake are still read, so that they can be checked too.
#[test]
fn one_mistake_does_not_hide_the_next() {
    let (config, faults) = parse("x = 1\n[keys]\nnext = 7\nlast = \"G\"", Path::new(""));
    assert_eq!((faults.len(), config.keys.len()), (2, 1));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    std::fs::write(&path, "\n[keys]\nnext = 7\nlast = \"G\"").unwrap();
    let rejected = super::load(&path, |config| {
        let of = |key: &Rebound| ConfigFault {
            line: Some(key.line),
            reason: format!("no {}", key.action),
        };
        config.keys.iter().map(of).collect()
    });
    let lines: Vec<Option<usize>> = rejected
        .unwrap_err()
        .faults
        .iter()
        .map(|f| f.line)
        .collect();
    assert_eq!(lines, [Some(3), Some(4)]);
}

#[test]
fn a_column_twice_or_none_at_all_is_a_mistake() {
    assert!(faults("columns = []").contains("at least one"));
    assert!(faults("columns = [\"name\", \"name\"]").contains("twice"));
    assert!(faults("columns = \"name\"").contains("a list"));
}

/// Every key has a line in the file of defaults, and it has no other.
#[test]
fn the_default_file_has_every_key() {
    let mut said: Vec<&str> = DEFAULT
        .lines()
        .filter_map(|line| {
            let line = line.trim_start_matches("# ");
            let table = line.strip_prefix('[').and_then(|l| l.strip_suffix(']'));
            let key = line.split_once(" = ").map(|(key, _)| key);
            let is_name = |key: &&str| key.chars().all(|c| c.is_ascii_lowercase() || c == '-');
            table.or(key).filter(is_name)
        })
        .collect();
    said.sort_unstable();
    let mut names = NAMES;
    names.sort_unstable();
    assert_eq!(said, names);
    // A key without a default has an example, which must be right too.
    let examples = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if rest.contains(" = ") => rest.to_owned(),
        _ => line.to_owned(),
    };
    let all: Vec<String> = DEFAULT.lines().map(examples).collect();
    let config = read(&all.join("\n")).unwrap();
    assert!(config.model.is_some() && config.jobs.is_some() && !config.prevalence.is_empty());
}

#[test]
fn a_file_that_is_none_is_refused_and_one_that_is_not_there_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    assert_eq!(load(&path).unwrap(), None);
    std::fs::write(&path, b"theme = \"dark\"\nreviewer = \"\xff\"\n").unwrap();
    let rejected = load(&path).unwrap_err();
    assert_eq!(rejected.faults[0].line, Some(2));
    assert!(rejected.to_string().ends_with("config.toml:2: not UTF-8"));
    std::fs::write(&path, vec![b'#'; 2 << 20]).unwrap();
    assert!(load(&path).unwrap_err().to_string().contains("1 MiB"));
    assert!(load(folder.path()).is_err(), "a folder");
}
