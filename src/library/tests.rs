use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

#[test]
fn an_excepted_file_is_skipped_in_a_folder_and_a_problem_as_a_root() {
    let folder = tree(&["a.png", "b.png"]);
    let (a, b) = (folder.path().join("a.png"), folder.path().join("b.png"));
    let found = |roots: &[PathBuf]| {
        let mut all = Vec::new();
        scan_except(
            roots,
            |path| path == b,
            |found| {
                all.push(found);
                ControlFlow::Continue(())
            },
        );
        all
    };
    let image = [WalkItem::Image(a)];
    assert_eq!(found(&[folder.path().to_owned()]), image);
    let named = found(&[b.clone(), folder.path().to_owned()]);
    assert!(matches!(&named[0], WalkItem::Problem { path, .. } if *path == b));
    assert_eq!(named[1..], image);
}

/// Makes empty files below a new folder; their extension decides what they look like.
fn tree(files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    folder
}

/// The findings of a scan, relative to `base`, with `?` before unread files and `!` before problems.
fn scanned(base: &Path, roots: &[&str]) -> Vec<String> {
    let roots: Vec<_> = roots.iter().map(|root| base.join(root)).collect();
    let mut all = Vec::new();
    scan(&roots, |found| {
        let (mark, path) = match found {
            WalkItem::Image(path) => ("", path),
            WalkItem::Unread { path, .. } => ("?", path),
            WalkItem::Problem { path, .. } => ("!", path),
        };
        all.push(format!(
            "{mark}{}",
            path.strip_prefix(base).unwrap().display()
        ));
        ControlFlow::Continue(())
    });
    all
}

#[test]
fn a_tree_comes_in_order_without_hidden_and_other_files() {
    let folder = tree(&[
        "s/10.png",
        "s/9.png",
        "s/b/2.jpg",
        "s/b/1.jpg",
        "s/.hidden.png",
        "s/.git/x.png",
        "s/notes.txt",
        "s/a.dcm",
    ]);
    assert_eq!(
        scanned(folder.path(), &["s"]),
        ["s/9.png", "s/10.png", "s/a.dcm", "s/b/1.jpg", "s/b/2.jpg"]
    );
}

#[test]
fn files_of_unsupported_formats_are_reported() {
    let folder = tree(&[
        "s/a.png", "s/b.xyz", "s/c.7z", "s/d.txt", "s/.e.7z", "f.rar",
    ]);
    assert_eq!(scanned(folder.path(), &["s"]), ["s/a.png", "?s/c.7z"]);
    // A file that the user names is to be read in any format.
    assert_eq!(
        scanned(folder.path(), &["f.rar", "s/c.7z", "s"]),
        ["f.rar", "s/c.7z", "s/a.png"]
    );
}

/// Skipped for the superuser, who may open every file.
#[test]
fn an_unreadable_file_is_a_problem_unless_its_name_tells_its_format() {
    let folder = tree(&["s/IM0001", "s/a.png", "s/notes.txt"]);
    for name in ["s/IM0001", "s/notes.txt"] {
        fs::set_permissions(folder.path().join(name), Permissions::from_mode(0o000)).unwrap();
    }
    if fs::File::open(folder.path().join("s/IM0001")).is_ok() {
        crate::skip::skip_on_this_machine("permissions are not enforced for this user");
        return;
    }
    assert_eq!(scanned(folder.path(), &["s"]), ["!s/IM0001", "s/a.png"]);
}

#[test]
fn a_named_file_is_reported_with_any_extension() {
    let folder = tree(&["odd.xyz", ".hidden.png", ".h/a.png"]);
    assert_eq!(
        scanned(folder.path(), &["odd.xyz", ".hidden.png", ".h"]),
        ["odd.xyz", ".hidden.png", ".h/a.png"]
    );
}

#[test]
fn overlapping_roots_report_a_file_once() {
    let folder = tree(&["s/a.png", "s/b/c.png", "s/odd.xyz", "s/.h.png"]);
    let base = folder.path();
    symlink(base.join("s"), base.join("alias")).unwrap();
    assert_eq!(
        scanned(base, &["s", "s/b", "s/a.png", "alias"]),
        ["s/a.png", "s/b/c.png"]
    );
    assert_eq!(scanned(base, &["s/b", "s"]), ["s/b/c.png", "s/a.png"]);
    assert_eq!(
        scanned(base, &["s/a.png", "s/../s/a.png", "s"]),
        ["s/a.png", "s/b/c.png"]
    );
    assert_eq!(
        scanned(base, &["s", "s/odd.xyz", "s/.h.png"]),
        ["s/a.png", "s/b/c.png", "s/odd.xyz", "s/.h.png"]
    );
}

#[test]
fn a_loop_is_reported_and_not_followed() {
    let folder = tree(&["s/a.png", "s/b/c.png"]);
    let base = folder.path();
    symlink(base.join("s"), base.join("s/b/up")).unwrap();
    assert_eq!(scanned(base, &["s"]), ["s/a.png", "s/b/c.png", "!s/b/up"]);
}

#[test]
fn folders_linked_to_each_other_twice_at_each_level_do_not_multiply() {
    let folder = tree(&["s/0/a.png"]);
    let base = folder.path();
    for level in 1..30 {
        let (here, below) = (format!("s/{level}"), format!("../{}", level - 1));
        fs::create_dir(base.join(&here)).unwrap();
        symlink(&below, base.join(&here).join("x")).unwrap();
        symlink(&below, base.join(&here).join("y")).unwrap();
    }
    assert_eq!(
        scanned(base, &["s/29"]),
        [format!("s/29/{}a.png", "x/".repeat(29))]
    );
}

#[test]
fn a_missing_file_is_a_problem_and_the_walk_goes_on() {
    let folder = tree(&["s/b.png"]);
    symlink("nowhere", folder.path().join("s/a")).unwrap();
    assert_eq!(
        scanned(folder.path(), &["gone", "s"]),
        ["!gone", "!s/a", "s/b.png"]
    );
}

#[test]
fn a_pipe_is_not_an_image() {
    let folder = tree(&["s/b.png"]);
    let pipe = folder.path().join("s/a.png");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    assert_eq!(scanned(folder.path(), &["s"]), ["s/b.png"]);
    assert_eq!(scanned(folder.path(), &["s/a.png"]), ["!s/a.png"]);
}

#[test]
fn breaking_ends_the_walk() {
    let folder = tree(&["a.png", "b.png"]);
    let mut seen = 0;
    scan(
        &[folder.path().to_owned(), folder.path().to_owned()],
        |_| {
            seen += 1;
            ControlFlow::Break(())
        },
    );
    assert_eq!(seen, 1);
}

#[test]
fn walk_order_is_the_order_of_the_walk() {
    let names = [
        "s/a/2.png",
        "s/a/10.png",
        "s/a-b/1.png",
        "s/a.png",
        "s/a/b/1.png",
        "s/B/1.png",
        "s/a1/x.png",
        "s/a01/x.png",
        "s/10/1.png",
        "s/9/1.png",
        "s/a/b.png",
    ];
    let folder = tree(&names);
    let walked = scanned(folder.path(), &["s"]);
    assert_eq!(walked.len(), names.len());
    let mut sorted: Vec<&str> = names.to_vec();
    sorted.sort_by(|a, b| walk_order(Path::new(a), Path::new(b)));
    assert_eq!(walked, sorted);
}

#[test]
fn a_folder_beside_many_named_files_is_walked_without_looking_each_up() {
    let folder = tree(&["s/a.png", "s/b.png", "t/a.png"]);
    assert_eq!(
        scanned(folder.path(), &["t/a.png", "s/b.png", "s", "t"]),
        ["t/a.png", "s/b.png", "s/a.png"]
    );
}

#[test]
fn a_missing_pattern_is_said_to_be_one() {
    for (name, is_one) in [
        ("*.png", true),
        ("a?.png", true),
        ("[ab].png", true),
        ("a[.png", false),
    ] {
        assert_eq!(is_pattern(Path::new(name)), is_one, "{name}");
    }
}
