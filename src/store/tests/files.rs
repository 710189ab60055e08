//! The file: opening, refusing, closing, and its other tables.

use super::*;

#[test]
fn only_the_owner_can_read_it_and_the_log_beside_it() {
    let (folder, path, mut store) = new_store();
    store.append(&entry(1, "agree")).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let files: Vec<_> = fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(!files.is_empty());
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    assert_eq!(mode(&folder.path().join("state")), 0o700);
}

#[test]
fn files_that_are_not_stores_are_refused_by_name_and_stay_as_they_are() {
    let (folder, path, mut store) = new_store();
    for n in 0..200 {
        store.append(&entry(n, "agree")).unwrap();
    }
    drop(store);
    let whole = fs::read(&path).unwrap();
    let place = |name: &str| folder.path().join(name);
    fs::write(place("text"), "reviews of ward 3\n").unwrap();
    fs::write(place("short"), &whole[..60]).unwrap();
    fs::write(place("cut"), &whole[..whole.len() / 2]).unwrap();
    let mut scrambled = whole.clone();
    scrambled[4096..].fill(0x5a);
    fs::write(place("scrambled"), scrambled).unwrap();
    for (name, pragma) in [
        ("theirs", "user_version = 3"),
        ("other", "application_id = 7"),
    ] {
        let connection = Connection::open(place(name)).unwrap();
        let sql = format!("CREATE TABLE t (a); PRAGMA {pragma}");
        connection.execute_batch(&sql).unwrap();
    }
    let newer = place("newer");
    fs::write(&newer, &whole).unwrap();
    let connection = Connection::open(&newer).unwrap();
    connection.pragma_update(None, "user_version", 9).unwrap();
    drop(connection);

    for (name, says) in [
        ("text", "--store"),
        ("short", "cut short"),
        ("cut", "damaged"),
        ("scrambled", "damaged"),
        ("theirs", "another program's"),
        ("other", "another program's"),
        ("newer", "version 9"),
    ] {
        let before = fs::read(place(name)).unwrap();
        for opened in [
            Store::open(&place(name)),
            Store::open_read_only(&place(name)),
        ] {
            let error = opened.err().unwrap_or_else(|| panic!("{name} was opened"));
            let error = error.to_string();
            assert!(error.contains(name) && error.contains(says), "{error}");
        }
        assert_eq!(fs::read(place(name)).unwrap(), before, "{name} was changed");
    }
    let missing = Store::open_read_only(&place("missing")).err().unwrap();
    assert!(matches!(missing, StoreError::Absent { .. }));
    assert!(!place("missing").exists());
}

/// A file from another person may be made to hang the program, or to change what is written.
#[test]
fn a_foreign_schema_is_refused_before_any_query() {
    let endless =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, i, i FROM n";
    for (what, sql) in [
        (
            "view review",
            format!("DROP TABLE review; CREATE VIEW review AS {endless}"),
        ),
        ("view more", "CREATE VIEW more AS SELECT 1".to_owned()),
        (
            "trigger gone",
            "CREATE TRIGGER gone AFTER INSERT ON review BEGIN DELETE FROM chain; END".to_owned(),
        ),
        (
            "trigger review_is_not_edited",
            "DROP TRIGGER review_is_not_edited;
             CREATE TRIGGER review_is_not_edited BEFORE UPDATE ON review BEGIN SELECT 1; END"
                .to_owned(),
        ),
        (
            "index slow",
            "CREATE INDEX slow ON review (hex(zeroblob(9)))".to_owned(),
        ),
        (
            "table image",
            "ALTER TABLE image ADD COLUMN much TEXT AS (hex(zeroblob(99)))".to_owned(),
        ),
    ] {
        let (_folder, path, store) = new_store();
        store.close();
        Connection::open(&path)
            .unwrap()
            .execute_batch(&sql)
            .unwrap();
        let before = fs::read(&path).unwrap();
        for opened in [Store::open(&path), Store::open_read_only(&path)] {
            let error = opened.err().unwrap().to_string();
            assert!(error.contains(what), "{what}: {error}");
        }
        assert!(fs::read(&path).unwrap() == before, "{what}");
    }
}

/// Parts that this version does not know are no damage where the version says that a newer one made them. A table with
/// the name of a pragma does not hide the version.
#[test]
fn a_newer_store_is_called_newer_even_with_strange_triggers() {
    let (_folder, path, store) = new_store();
    store.close();
    let newer = schema::MIGRATIONS.len() as i64 + 1;
    let endless =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
    let sql = format!(
        "CREATE TABLE seal (a TEXT, b TEXT AS (a));
        CREATE TRIGGER seal_is_kept BEFORE DELETE ON seal BEGIN SELECT RAISE (ABORT, 'kept'); END;
        CREATE VIEW pragma_user_version AS {endless};
        PRAGMA user_version = {newer}"
    );
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(&sql).unwrap();
    drop(connection);
    for opened in [Store::open(&path), Store::open_read_only(&path)] {
        let error = opened.err().unwrap();
        let is_newer = matches!(&error, StoreError::Newer { found, .. } if *found == newer);
        assert!(is_newer, "{error}");
    }
    // Without the version it is what a stranger made.
    let connection = Connection::open(&path).unwrap();
    connection
        .pragma_update(None, "user_version", newer - 1)
        .unwrap();
    drop(connection);
    let error = Store::open(&path).err().unwrap();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

#[test]
fn a_read_of_one_moment_does_not_see_later_writes() {
    let (_folder, path, mut store) = new_store();
    store.append(&entry(1, "agree")).unwrap();
    let reader = Store::open_read_only(&path).unwrap();
    let seen = reader.at_one_moment(|reader| {
        let before = words(reader).len();
        store.append(&entry(2, "agree")).unwrap();
        Ok::<_, StoreError>((before, words(reader).len()))
    });
    assert_eq!(seen.unwrap(), (1, 1));
    assert_eq!(words(&reader).len(), 2);
}

#[test]
fn a_place_is_kept_for_each_reader_and_each_set_of_folders() {
    let (_folder, path, mut store) = new_store();
    let (wards, ward) = (
        [PathBuf::from("/x/1"), "/x/2".into()],
        [PathBuf::from("/x/1")],
    );
    let mark = Bookmark {
        selected: Some(path_from(b"/x/1/\xff.png".to_vec())),
        row: 7,
        sort: "label COVID-19".into(),
        reversed: true,
        filter: "covid>0.5".into(),
    };
    store.mark("ann", &wards, &Bookmark::default()).unwrap();
    store.mark("ann", &wards, &mark).unwrap();
    let store = Store::open_read_only(&path).unwrap();
    assert_eq!(store.bookmark("ann", &wards).unwrap(), Some(mark));
    assert_eq!(store.bookmark("ann", &ward).unwrap(), None);
    assert_eq!(store.bookmark("bob", &wards).unwrap(), None);
}

/// A store of an earlier version, on a disk that is read-only now.
#[test]
fn an_older_store_can_be_read_where_it_cannot_be_migrated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.sqlite");
    let mut old = Connection::open(&path).unwrap();
    schema::migrate(&mut old, &schema::MIGRATIONS[..1]).unwrap();
    old.execute("INSERT INTO image (sha256, path) VALUES ('a', x'62')", [])
        .unwrap();
    drop(old);
    let before = fs::read(&path).unwrap();
    let store = Store::open_read_only(&path).unwrap();
    assert_eq!(store.bookmark("ann", &[]).unwrap(), None);
    assert_eq!(store.verify().unwrap().rows, 0);
    let images: i64 = store
        .connection
        .query_row(
            "SELECT count(*) FROM image WHERE taken IS NULL",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(images, 1);
    drop(store);
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// 1 is NORMAL, 3 is EXTRA.
#[test]
fn only_a_relaxed_handle_syncs_late_and_only_with_a_write_ahead_log() {
    let (_folder, path, mut store) = new_store();
    let synchronous = |store: &Store| {
        let pragma = schema::pragma::<i64>(&store.connection, "synchronous");
        pragma.unwrap()
    };
    let wal = schema::pragma::<String>(&store.connection, "journal_mode").unwrap() == "wal";
    store.relax().unwrap();
    assert_eq!(synchronous(&store), if wal { 1 } else { 3 });
    assert_eq!(synchronous(&Store::open(&path).unwrap()), 3);
    drop(store);
    let mut store = Store::open(&path).unwrap();
    store
        .connection
        .pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))
        .unwrap();
    store.relax().unwrap();
    assert_eq!(synchronous(&store), 3);
}

/// Although another program has the store open, the content of the write-ahead log is in the file.
#[test]
fn a_closed_store_is_complete_in_one_file() {
    let (folder, path, mut store) = new_store();
    let other = Store::open(&path).unwrap();
    for n in 0..5 {
        store.append(&entry(n, "agree")).unwrap();
    }
    let alone = folder.path().join("alone.sqlite");
    let rows = |alone: &Path| {
        fs::copy(&path, alone).unwrap();
        Store::open_read_only(alone).unwrap().verify().unwrap().rows
    };
    store.close();
    assert_eq!(rows(&alone), 5);
    drop(other);
}

/// Only SQLite may open them.
#[test]
fn the_files_of_a_store_are_recognised_under_any_name() {
    let (folder, path, mut store) = new_store();
    store.append(&entry(1, "agree")).unwrap();
    let link = folder.path().join("link.png");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    fs::write(folder.path().join("a.png"), "").unwrap();
    let beside = |suffix| file::with_suffix(&path, suffix);
    for file in [path.clone(), link, beside("-wal"), beside("-shm")] {
        assert!(is_part_of(&path, &file), "{}", file.display());
    }
    for name in ["a.png", "gone.png"] {
        assert!(!is_part_of(&path, &folder.path().join(name)));
    }
}
