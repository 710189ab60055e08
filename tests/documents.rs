//! The documents: every link leads somewhere, every command line in a code block can be typed, the README is
//! short, and the summary of the book lists every chapter.
//!
//! Markdown is read line by line, as far as these documents use it: fenced code blocks, code spans, headings with `#`
//! and links in brackets.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Component, Path, PathBuf};

use clap::Parser;
use clap::error::ErrorKind;
use cxr::cli::{Browse, Cli};

/// Lines of a README that a person reads to the end.
const LONGEST_README: usize = 170;
/// Fewer than these were found only if this reader misses something.
const FEWEST_LINKS: usize = 60;
const FEWEST_COMMANDS: usize = 30;

#[test]
fn every_link_leads_somewhere() {
    let (mut links, mut faults): (usize, Vec<String>) = (0, Vec::new());
    for document in documents() {
        for link in document.links() {
            links += 1;
            let fault = document.fault_of_link(&link.to);
            faults.extend(fault.map(|fault| document.at(link.line, &fault)));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    assert!(links >= FEWEST_LINKS, "only {links} links were found");
}

#[test]
fn every_command_can_be_typed() {
    let (mut commands, mut faults): (usize, Vec<String>) = (0, Vec::new());
    for document in documents() {
        for line in document.typed() {
            match simple_commands(&line.text) {
                Err(fault) => faults.push(document.at(line.number, &fault)),
                Ok(all) => {
                    for arguments in all.iter().filter_map(|words| arguments_of_cxr(words)) {
                        commands += 1;
                        let fault = refusal(arguments);
                        faults.extend(fault.map(|fault| document.at(line.number, &fault)));
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    assert!(
        commands >= FEWEST_COMMANDS,
        "only {commands} commands were found"
    );
}

#[test]
fn the_readme_is_short() {
    let lines = Document::read(Path::new("README.md")).lines.len();
    assert!(
        lines <= LONGEST_README,
        "{lines} lines: move something into the book"
    );
}

#[test]
fn the_summary_lists_every_chapter_once() {
    let summary = Document::read(Path::new("docs/src/SUMMARY.md"));
    let mut listed: Vec<PathBuf> = summary
        .links()
        .iter()
        .filter_map(|link| within(summary.folder(), &decoded(&link.to)))
        .collect();
    listed.sort();
    let mut chapters = markdown_below(Path::new("docs/src"));
    chapters.retain(|path| *path != summary.path);
    chapters.sort();
    assert_eq!(listed, chapters);
}

/// A Markdown file.
struct Document {
    /// From the root of the repository.
    path: PathBuf,
    lines: Vec<(Kind, String)>,
}

/// What a line is part of.
#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Prose,
    /// The first or last line of a code block.
    Fence,
    /// Inside a code block of this language.
    Code(String),
}

/// A link, and the line on which its text ends, counted from 1.
#[derive(Debug, PartialEq)]
struct Link {
    line: usize,
    to: String,
}

/// A line of a code block that is meant to be typed, counted from 1; lines that go on after a backslash are one.
#[derive(Debug, PartialEq)]
struct Typed {
    number: usize,
    text: String,
}

impl Document {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(root().join(path));
        Self::of(
            path,
            &text.unwrap_or_else(|error| panic!("{}: {error}", path.display())),
        )
    }

    fn of(path: impl Into<PathBuf>, text: &str) -> Self {
        let mut open: Option<Fence> = None;
        let mut lines = Vec::new();
        for line in text.lines() {
            let kind = match open.take() {
                None => {
                    open = Fence::opened_by(line);
                    if open.is_some() {
                        Kind::Fence
                    } else {
                        Kind::Prose
                    }
                }
                Some(fence) if fence.is_closed_by(line) => Kind::Fence,
                Some(fence) => {
                    let kind = Kind::Code(fence.language.clone());
                    open = Some(fence);
                    kind
                }
            };
            lines.push((kind, line.to_owned()));
        }
        Document {
            path: path.into(),
            lines,
        }
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// A fault with its place.
    fn at(&self, line: usize, fault: &str) -> String {
        format!("{}:{line}: {fault}", self.path.display())
    }

    /// The prose line by line, with everything else and all code spans blank.
    fn prose(&self) -> String {
        let mut text = String::new();
        for (kind, line) in &self.lines {
            if *kind == Kind::Prose {
                text.push_str(line);
            }
            text.push('\n');
        }
        without_code_spans(&text)
    }

    /// `[text](to)`, `![text](to)`, and definitions `[name]: to`.
    fn links(&self) -> Vec<Link> {
        let prose = self.prose();
        let mut links = Vec::new();
        for (at, opening) in prose.match_indices("](") {
            let is_escaped = prose[..at].ends_with('\\');
            if let Some(to) = destination(&prose[at + opening.len()..])
                && !is_escaped
            {
                let line = 1 + prose[..at].matches('\n').count();
                links.push(Link { line, to });
            }
        }
        for (line, text) in (1..).zip(prose.lines()) {
            let defined = text.trim_start().strip_prefix('[');
            let defined = defined.filter(|text| !text.starts_with('^'));
            let to = defined.and_then(|text| text.split_once("]: "));
            let to = to.and_then(|(_, to)| to.split_whitespace().next());
            links.extend(to.map(|to| Link {
                line,
                to: to.trim_matches(['<', '>']).to_owned(),
            }));
        }
        links
    }

    /// Why a link leads nowhere; `None` if it leads somewhere, or to another site.
    fn fault_of_link(&self, to: &str) -> Option<String> {
        if ["http://", "https://", "mailto:"]
            .iter()
            .any(|scheme| to.starts_with(scheme))
        {
            return None;
        }
        let (path, anchor) = match to.split_once('#') {
            Some((path, anchor)) => (path, Some(anchor)),
            None => (to, None),
        };
        let target = match path {
            "" => self.path.clone(),
            path => match within(self.folder(), &decoded(path)) {
                Some(target) => target,
                None => return Some(format!("{to} leads out of the repository")),
            },
        };
        let is_here = target == self.path;
        if !is_here && !root().join(&target).exists() {
            return Some(format!("{to}: there is no {}", target.display()));
        }
        let anchor = decoded(anchor?);
        let anchors = if is_here {
            self.anchors()
        } else if is_markdown(&target) {
            Document::read(&target).anchors()
        } else {
            BTreeSet::new()
        };
        let is_there = anchors.contains(&anchor);
        (!is_there).then(|| format!("{to}: no heading of {} is #{anchor}", target.display()))
    }

    /// What its headings can be reached by.
    fn anchors(&self) -> BTreeSet<String> {
        let mut times: HashMap<String, usize> = HashMap::new();
        let mut anchors = BTreeSet::new();
        for (kind, line) in &self.lines {
            let Some(text) = heading(line).filter(|_| *kind == Kind::Prose) else {
                continue;
            };
            let slug = slug(text);
            let before = times.entry(slug.clone()).or_default();
            anchors.insert(match *before {
                0 => slug,
                n => format!("{slug}-{n}"),
            });
            *before += 1;
        }
        anchors
    }

    /// The lines of its blocks of shell: all of `sh`, and those after a prompt of `console`.
    fn typed(&self) -> Vec<Typed> {
        let mut typed: Vec<Typed> = Vec::new();
        let mut open: Option<Typed> = None;
        for (number, (kind, line)) in (1..).zip(&self.lines) {
            let language = match kind {
                Kind::Code(language) => language.as_str(),
                // A backslash at the end of a block goes on with nothing.
                _ => {
                    typed.extend(open.take());
                    continue;
                }
            };
            let text = match language {
                "sh" | "bash" | "shell" => Some(line.as_str()),
                "console" if open.is_some() => Some(line.as_str()),
                "console" => line.trim_start().strip_prefix("$ "),
                _ => None,
            };
            let Some(text) = text else { continue };
            let mut whole = open.take().unwrap_or(Typed {
                number,
                text: String::new(),
            });
            match text.strip_suffix('\\') {
                Some(text) => {
                    whole.text.push_str(text);
                    open = Some(whole);
                }
                None => {
                    whole.text.push_str(text);
                    typed.push(whole);
                }
            }
        }
        typed.extend(open);
        typed
    }
}

/// The line that opened a code block.
struct Fence {
    sign: char,
    length: usize,
    language: String,
}

impl Fence {
    fn opened_by(line: &str) -> Option<Self> {
        let line = line.trim_start();
        let sign = line.chars().next().filter(|c| matches!(*c, '`' | '~'))?;
        let length = line.chars().take_while(|c| *c == sign).count();
        let info = line[length..].trim();
        // Three backticks and more of them behind are a code span.
        if length < 3 || sign == '`' && info.contains('`') {
            return None;
        }
        let language = info.split_whitespace().next().unwrap_or_default();
        Some(Fence {
            sign,
            length,
            language: language.to_owned(),
        })
    }

    fn is_closed_by(&self, line: &str) -> bool {
        let line = line.trim();
        line.len() >= self.length && line.chars().all(|c| c == self.sign)
    }
}

/// The same text with spaces for everything within backticks.
fn without_code_spans(text: &str) -> String {
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('`') {
        plain.push_str(&rest[..at]);
        let ticks = &rest[at..];
        let length = ticks.len() - ticks.trim_start_matches('`').len();
        let after = &ticks[length..];
        // A span ends within its paragraph.
        let paragraph = after.find("\n\n").unwrap_or(after.len());
        let end = end_of_code_span(&after[..paragraph], length);
        let span = end.map_or(length, |end| length + end + length);
        let blank = |c: char| if c == '\n' { '\n' } else { ' ' };
        plain.extend(ticks[..span].chars().map(blank));
        rest = &ticks[span..];
    }
    plain.push_str(rest);
    plain
}

/// Where a run of exactly so many backticks begins.
fn end_of_code_span(text: &str, length: usize) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = text[from..].find('`') {
        let at = from + found;
        let run = text[at..].len() - text[at..].trim_start_matches('`').len();
        if run == length {
            return Some(at);
        }
        from = at + run;
    }
    None
}

/// What a link leads to, from the text after its bracket: `path)`, `path "title")`, `<path>)`.
fn destination(text: &str) -> Option<String> {
    let text = text.trim_start();
    if let Some(rest) = text.strip_prefix('<') {
        return rest.split_once('>').map(|(to, _)| to.to_owned());
    }
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            c if c == ')' || c.is_whitespace() => return Some(text[..at].to_owned()),
            _ => {}
        }
    }
    None
}

/// The text of a line such as `## Text`.
fn heading(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    if !(1..=6).contains(&level) || !text.starts_with(' ') {
        return None;
    }
    let text = text.trim();
    // `## Text ##` is closed by marks that are no part of it.
    let without = text.trim_end_matches('#');
    Some(match without.ends_with(' ') {
        true => without.trim_end(),
        false => text,
    })
}

/// What a forge makes of a heading: small letters, digits, `-` and `_`, with a `-` for each space. All other signs go.
fn slug(heading: &str) -> String {
    let text = with_texts_of_links(heading).to_lowercase();
    let kept = text.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        c if c.is_alphanumeric() => Some(c),
        _ => None,
    });
    kept.collect()
}

/// With `text` for each `[text](to)`.
fn with_texts_of_links(text: &str) -> String {
    let mut text = text.to_owned();
    while let Some(middle) = text.find("](") {
        let opening = text[..middle].rfind('[');
        let closing = text[middle..].find(')').map(|at| middle + at);
        let (Some(opening), Some(closing)) = (opening, closing) else {
            break;
        };
        let parts = [
            &text[..opening],
            &text[opening + 1..middle],
            &text[closing + 1..],
        ];
        text = parts.concat();
    }
    text
}

/// The place below the root that a relative path leads to from a folder; `None` if it leads out of it.
fn within(folder: &Path, to: &str) -> Option<PathBuf> {
    let mut place = folder.to_owned();
    for component in Path::new(to).components() {
        match component {
            Component::Normal(name) => place.push(name),
            Component::CurDir => {}
            Component::ParentDir if place.pop() => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(place)
}

/// With `%20` and the like as the characters that they stand for.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        let code = after.get(..2).filter(|_| *first == b'%');
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A line of shell while it is split.
#[derive(Default)]
struct Split {
    commands: Vec<Vec<String>>,
    command: Vec<String>,
    word: Option<String>,
    /// The next word is the file of a redirection.
    is_redirected: bool,
}

impl Split {
    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn end_word(&mut self) {
        if let Some(word) = self.word.take()
            && !std::mem::take(&mut self.is_redirected)
        {
            self.command.push(word);
        }
    }

    fn end_command(&mut self) -> Result<(), String> {
        self.end_word();
        if self.is_redirected {
            return Err("a redirection without a file".to_owned());
        }
        let command = std::mem::take(&mut self.command);
        if !command.is_empty() {
            self.commands.push(command);
        }
        Ok(())
    }
}

/// The simple commands of a line of shell, each as its words: without comments, redirections and what joins them.
/// Variables and patterns stay as they are typed.
///
/// # Errors
/// If a quote has no end, a backslash nothing behind it, or a redirection no file.
fn simple_commands(line: &str) -> Result<Vec<Vec<String>>, String> {
    const NO_END: &str = "a quote without an end";
    let mut split = Split::default();
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '#' if split.word.is_none() => break,
            '\'' => {
                // Also where nothing is in it: that is a word.
                split.word.get_or_insert_default();
                loop {
                    match rest.next().ok_or(NO_END)? {
                        '\'' => break,
                        c => split.push(c),
                    }
                }
            }
            '"' => {
                split.word.get_or_insert_default();
                loop {
                    match rest.next().ok_or(NO_END)? {
                        '"' => break,
                        '\\' => {
                            let next = rest.next().ok_or(NO_END)?;
                            if !matches!(next, '"' | '\\' | '$' | '`') {
                                split.push('\\');
                            }
                            split.push(next);
                        }
                        c => split.push(c),
                    }
                }
            }
            '\\' => split.push(rest.next().ok_or("a backslash at the end")?),
            '>' | '<' => {
                // `2>`: the number of a stream belongs to the sign.
                let is_stream = |word: &mut String| {
                    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
                };
                split.word.take_if(is_stream);
                split.end_word();
                while rest
                    .next_if(|next| matches!(*next, '>' | '<' | '&'))
                    .is_some()
                {}
                split.is_redirected = true;
            }
            // `&>`: the sign itself comes next.
            '&' if rest.peek() == Some(&'>') => {}
            '|' | '&' | ';' => {
                while rest.next_if(|next| matches!(*next, '|' | '&')).is_some() {}
                split.end_command()?;
            }
            c if c.is_whitespace() => split.end_word(),
            c => split.push(c),
        }
    }
    split.end_command()?;
    Ok(split.commands)
}

/// `NAME=value` before a command.
fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map_or("", |(name, _)| name);
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(is_name) && name.starts_with(|c: char| !c.is_ascii_digit())
}

/// What a command gives to cxr, if it starts cxr: `cxr …` or `cargo run … -- …`.
fn arguments_of_cxr(words: &[String]) -> Option<&[String]> {
    let assigned = words.iter().take_while(|word| is_assignment(word)).count();
    match &words[assigned..] {
        [program, arguments @ ..] if program == "cxr" => Some(arguments),
        [cargo, run, rest @ ..] if cargo == "cargo" && run == "run" => {
            let at = rest.iter().position(|word| word == "--")?;
            Some(&rest[at + 1..])
        }
        _ => None,
    }
}

/// Why cxr would not take these arguments, in a line; `None` if it would, or would print its help or version.
fn refusal(arguments: &[String]) -> Option<String> {
    let typed = arguments.join(" ");
    let program = "cxr".to_owned();
    match Cli::try_parse_from(std::iter::once(&program).chain(arguments)) {
        // The program refuses it, too, after clap has taken it.
        Ok(cli) if cli.command.is_some() && cli.browse != Browse::default() => Some(format!(
            "cxr {typed}: an option of the screen before a command"
        )),
        Ok(_) => None,
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => None,
            _ => {
                let text = error.to_string();
                let first = text.lines().next().unwrap_or_default();
                Some(format!("cxr {typed}: {first}"))
            }
        },
    }
}

/// The documents that are checked.
fn documents() -> Vec<Document> {
    let papers = [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
    ];
    let mut paths: Vec<PathBuf> = papers.iter().map(PathBuf::from).collect();
    paths.extend(markdown_below(Path::new("docs")));
    paths.iter().map(|path| Document::read(path)).collect()
}

/// All Markdown files of a folder and those below it, from the root of the repository.
fn markdown_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder))
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.expect("an entry of a folder");
        let path = folder.join(entry.file_name());
        if entry.path().is_dir() {
            found.extend(markdown_below(&path));
        } else if is_markdown(&path) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn is_markdown(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The reader itself, so that a check above can't pass because nothing was read.
mod the_reader {
    use super::*;

    fn split(line: &str) -> Vec<Vec<String>> {
        simple_commands(line).unwrap_or_else(|fault| panic!("{line}: {fault}"))
    }

    #[test]
    fn a_line_of_shell_is_split_as_a_shell_does() {
        let cases: &[(&str, &[&[&str]])] = &[
            ("", &[]),
            ("   # only a comment", &[]),
            ("cxr samples", &[&["cxr", "samples"]]),
            (
                "cxr a  b\t# and a comment | not > a pipe",
                &[&["cxr", "a", "b"]],
            ),
            ("cxr a#b", &[&["cxr", "a#b"]]),
            (
                r#"cxr 'a b' "c \"d\" \n" e\ f"#,
                &[&["cxr", "a b", r#"c "d" \n"#, "e f"]],
            ),
            ("cxr --config ''", &[&["cxr", "--config", ""]]),
            (
                "cxr predict a --format jsonl | jq .",
                &[&["cxr", "predict", "a", "--format", "jsonl"], &["jq", "."]],
            ),
            (
                "cxr config --default > f.toml && cxr man; cxr --version",
                &[
                    &["cxr", "config", "--default"],
                    &["cxr", "man"],
                    &["cxr", "--version"],
                ],
            ),
            (
                "cxr predict a >out 2>>err </dev/null 2>&1 &>all -q",
                &[&["cxr", "predict", "a", "-q"]],
            ),
            ("cxr a 2 > out", &[&["cxr", "a", "2"]]),
            (
                "cxr a || cxr b & cxr c",
                &[&["cxr", "a"], &["cxr", "b"], &["cxr", "c"]],
            ),
            ("A=1 B='2 3' cxr c", &[&["A=1", "B=2 3", "cxr", "c"]]),
        ];
        for (line, commands) in cases {
            assert_eq!(split(line), *commands, "{line}");
        }
        for line in [
            "cxr 'a",
            "cxr \"a",
            "cxr \"a\\",
            "cxr a\\",
            "cxr a >",
            "a >;b",
        ] {
            assert!(simple_commands(line).is_err(), "{line}");
        }
    }

    #[test]
    fn only_what_starts_cxr_is_parsed() {
        let given = |line: &str| {
            let commands = split(line);
            let arguments = commands.iter().filter_map(|words| arguments_of_cxr(words));
            arguments
                .map(|arguments| arguments.join(" "))
                .collect::<Vec<_>>()
        };
        assert_eq!(given("cxr a b"), ["a b"]);
        assert_eq!(given("LC_ALL=C CXR_MODEL=x cxr a"), ["a"]);
        assert_eq!(given("cargo run --release -- samples"), ["samples"]);
        assert_eq!(given("cat x | cxr a && cxr b"), ["a", "b"]);
        assert_eq!(given("cargo test --lib a -- --ignored"), [""; 0]);
        assert_eq!(given("find a | xargs -n 20 cxr predict"), [""; 0]);
        assert_eq!(given("cargo run --release"), [""; 0]);
    }

    #[test]
    fn what_cannot_be_typed_is_refused() {
        let refused = |line: &str| {
            let commands = split(line);
            let arguments = arguments_of_cxr(&commands[0]).expect("a command of cxr");
            refusal(arguments)
        };
        for line in [
            "cxr",
            "cxr samples",
            "cxr --version",
            "cxr predict --help",
            "cxr predict a -o b.csv --resume",
            "cxr --blinded --shuffle=7 ward3/",
        ] {
            assert_eq!(refused(line), None, "{line}");
        }
        for line in [
            "cxr predict",
            "cxr predict a --resume",
            "cxr --no-such-option",
            "cxr evaluate -o results",
            "cxr --blinded predict a",
            "cxr --shuffle=7 ward3/",
        ] {
            let fault = refused(line).unwrap_or_else(|| panic!("{line} was taken"));
            assert!(fault.starts_with(line) && !fault.contains('\n'), "{fault}");
        }
    }

    #[test]
    fn a_heading_is_reached_as_on_a_forge() {
        for (text, anchor) in [
            ("Two commands", "two-commands"),
            ("π, the prevalence", "π-the-prevalence"),
            ("\"Can't tell\"", "cant-tell"),
            ("Files & folders, `--force`", "files--folders---force"),
            ("A snake_case name: yes/no?", "a-snake_case-name-yesno"),
            ("[Unreleased]", "unreleased"),
            ("See [the book](docs/src/x.md) 2.0", "see-the-book-20"),
        ] {
            assert_eq!(slug(text), anchor, "{text}");
        }
        assert_eq!(heading("## Two words ##"), Some("Two words"));
        assert_eq!(heading("# C#"), Some("C#"));
        assert_eq!(heading("#no heading"), None);
        assert_eq!(heading("####### seven"), None);
        assert_eq!(heading("no # heading"), None);
    }

    const PAGE: &str = "\
# Keys
[a](b.md) and `[no](link.md)` and [over
two lines](<c d.md>), ![picture](e.png \"title\")
## Keys
```sh
# Keys in a comment
cxr a \\
  b
[no](link.md)
```
\\[no\\](link.md) [with (brackets)](f(1).md#x) ``a ` [no](link.md)``
~~~~console
$ cxr c
output of it
~~~
~~~~
[name]: g.md
";

    #[test]
    fn links_are_found_in_prose_only() {
        let page = Document::of("docs/page.md", PAGE);
        let found: Vec<_> = page.links().into_iter().map(|l| (l.line, l.to)).collect();
        let expected = [
            (2_usize, "b.md"),
            (3, "c d.md"),
            (3, "e.png"),
            (11, "f(1).md#x"),
            (17, "g.md"),
        ];
        assert_eq!(found, expected.map(|(line, to)| (line, to.to_owned())));
    }

    #[test]
    fn headings_are_found_in_prose_only_and_counted() {
        let anchors = Document::of("docs/page.md", PAGE).anchors();
        let expected = ["keys", "keys-1"].map(str::to_owned);
        assert_eq!(anchors, BTreeSet::from(expected));
    }

    #[test]
    fn lines_to_be_typed_are_found_in_blocks_of_shell_only() {
        let page = Document::of("docs/page.md", PAGE);
        let found: Vec<_> = page
            .typed()
            .into_iter()
            .map(|t| (t.number, t.text))
            .collect();
        let expected = [
            (6_usize, "# Keys in a comment"),
            (7, "cxr a   b"),
            (9, "[no](link.md)"),
            (13, "cxr c"),
        ];
        assert_eq!(found, expected.map(|(line, text)| (line, text.to_owned())));
    }

    #[test]
    fn a_link_that_leads_nowhere_is_a_fault() {
        let page = Document::of("docs/page.md", PAGE);
        for to in [
            "https://example.org/nowhere",
            "#keys-1",
            "page.md#keys",
            "../README.md",
            "../README.md#two-commands",
            "../src",
            "../src/./lib.rs",
            "../%52EADME.md",
        ] {
            assert_eq!(page.fault_of_link(to), None, "{to}");
        }
        for to in [
            "no-such.md",
            "README.md",
            "#keys-2",
            "../README.md#no-such-heading",
            "../src/lib.rs#heading",
            "../../README.md",
            "/README.md",
        ] {
            assert!(page.fault_of_link(to).is_some(), "{to}");
        }
    }
}
