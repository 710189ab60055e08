//! Where this user's files are: the XDG Base Directory Specification, version 0.8, on every system.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// The configuration: `$XDG_CONFIG_HOME/cxr/config.toml`, or else below `~/.config`. `None` without a
/// home.
pub fn configuration() -> Option<PathBuf> {
    Some(own("XDG_CONFIG_HOME", ".config", variable)?.join("config.toml"))
}

/// The review store: `$XDG_STATE_HOME/cxr/reviews.sqlite`, or else below `~/.local/state`. `None`
/// without a home.
pub fn reviews() -> Option<PathBuf> {
    Some(own("XDG_STATE_HOME", ".local/state", variable)?.join("reviews.sqlite"))
}

/// The folders for reviews that wait where they cannot be put beside their store: this user's folder of states, and that
/// of the login, which is often in memory.
pub fn waiting_reviews() -> Vec<PathBuf> {
    let of_login = base("XDG_RUNTIME_DIR", variable).map(|folder| folder.join("cxr"));
    let of_states = own("XDG_STATE_HOME", ".local/state", variable);
    of_states.into_iter().chain(of_login).collect()
}

/// The folder of the journals of what was sent: `$XDG_STATE_HOME/cxr/sent`, or else below `~/.local/state`. `None`
/// without a home.
pub fn sent() -> Option<PathBuf> {
    Some(own("XDG_STATE_HOME", ".local/state", variable)?.join("sent"))
}

/// The folder of imported models: `$XDG_DATA_HOME/cxr/models`, or else below `~/.local/share`. `None`
/// without a home.
pub fn models() -> Option<PathBuf> {
    Some(own("XDG_DATA_HOME", ".local/share", variable)?.join("models"))
}

/// The file of the ways of computing that were chosen by measuring: `$XDG_CACHE_HOME/cxr/ways.toml`, or else below
/// `~/.cache`. `None` without a home.
pub fn chosen_ways() -> Option<PathBuf> {
    Some(own("XDG_CACHE_HOME", ".cache", variable)?.join("ways.toml"))
}

fn variable(name: &str) -> Option<OsString> {
    env::var_os(name)
}

/// The folder `cxr` in the base folder that `base` names, or else in `below_home`.
fn own(
    base: &str,
    below_home: &str,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Option<PathBuf> {
    let home = || Some(self::base("HOME", &variable)?.join(below_home));
    let folder = self::base(base, &variable).or_else(home)?;
    Some(folder.join("cxr"))
}

/// The folder that a variable names. The specification says to ignore relative paths.
fn base(name: &str, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = PathBuf::from(variable(name)?);
    path.is_absolute().then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_the_one_of_xdg_or_else_below_home() {
        let with = |variables: &[(&str, &str)]| {
            own("XDG_STATE_HOME", ".local/state", |name| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            })
        };
        let home = ("HOME", "/home/a");
        let below_home = Some(PathBuf::from("/home/a/.local/state/cxr"));
        assert_eq!(with(&[home]), below_home);
        for ignored in ["not/absolute", ""] {
            assert_eq!(with(&[home, ("XDG_STATE_HOME", ignored)]), below_home);
        }
        let state = with(&[home, ("XDG_STATE_HOME", "/var/s")]);
        assert_eq!(state, Some("/var/s/cxr".into()));
        assert_eq!(with(&[("HOME", "a")]), None, "a relative home");
        assert_eq!(with(&[]), None);
    }

    #[test]
    fn each_kind_of_file_has_its_own_name() {
        for (path, end) in [
            (configuration(), "cxr/config.toml"),
            (reviews(), "cxr/reviews.sqlite"),
            (models(), "cxr/models"),
            (sent(), "cxr/sent"),
            (chosen_ways(), "cxr/ways.toml"),
        ] {
            if let Some(path) = path {
                assert!(path.is_absolute() && path.ends_with(end), "{path:?}");
            }
        }
    }
}
