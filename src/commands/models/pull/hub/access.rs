//! Which server is asked, and with which token: the variables and files that Hugging Face's own programs read.
//!
//! As `huggingface_hub` 2.4 has it, in `constants.py`, `utils/_auth.py` and `utils/_headers.py`.

use std::env;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use ureq::http::Uri;

use super::super::source::HUB;
use crate::commands::shared::Usage;
use crate::export::path_text;

/// The variable for a server that has the hub's paths. It gets no token, so that it does not learn who asks.
const MIRROR: &str = "CXR_MIRROR";
/// The variable for another hub, which gets the token.
const ENDPOINT: &str = "HF_ENDPOINT";
/// The first of them that is set decides.
const OFFLINE: [&str; 2] = ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"];
/// The first of them that is set holds the token.
const TOKENS: [&str; 2] = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"];
/// No token file is longer.
const LONGEST_TOKEN: u64 = 1 << 16;

/// The value of a variable of the environment; `None` where it is not set, is empty or is no text.
type EnvironmentLookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A server, and the token that it gets.
#[derive(Debug)]
pub struct HubAccess {
    /// `https://huggingface.co`, without a slash at the end.
    pub server: String,
    /// `None` if there is none, or if the server is not to get it.
    pub token: Option<HubToken>,
}

/// An access token of the hub.
pub struct HubToken {
    value: String,
    /// The variable or the file that it is from.
    pub origin: String,
}

impl fmt::Debug for HubToken {
    /// The token itself is never written anywhere.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the token of {}", self.origin)
    }
}

impl HubAccess {
    /// As the environment says.
    ///
    /// # Errors
    /// If no server may be asked, or a variable or the token file makes no sense.
    pub fn of_environment() -> Result<Self> {
        Self::of(&|name| env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn of(variable: EnvironmentLookup<'_>) -> Result<Self> {
        if let Some((name, value)) = first(&OFFLINE, variable)
            && is_true(&value)
        {
            bail!("{name} is set, so no server is asked");
        }
        let Some((name, url)) = first(&[MIRROR, ENDPOINT], variable) else {
            return Ok(HubAccess {
                server: HUB.to_owned(),
                token: token(variable)?,
            });
        };
        let server = url.trim_end_matches('/');
        if !is_server(server) {
            return Err(Usage::error(format!(
                "{name} is {server}, which is no address such as {HUB}"
            )));
        }
        Ok(HubAccess {
            server: server.to_owned(),
            token: if name == MIRROR {
                None
            } else {
                token(variable)?
            },
        })
    }
}

impl HubToken {
    /// `None` if the text is blank.
    ///
    /// # Errors
    /// [`Usage`], if it holds a character that no token has.
    pub fn new(text: &str, origin: &str) -> Result<Option<Self>> {
        let value = text.replace(['\r', '\n'], "").trim().to_owned();
        if value.is_empty() {
            return Ok(None);
        }
        if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Usage::error(format!(
                "{origin} holds no token: it has a space, or a character beyond ASCII"
            )));
        }
        Ok(Some(HubToken {
            value,
            origin: origin.to_owned(),
        }))
    }

    /// The value of the header `Authorization`.
    pub fn header(&self) -> String {
        format!("Bearer {}", self.value)
    }
}

/// The first of these variables that is set, with its value.
fn first(
    names: &[&'static str],
    variable: EnvironmentLookup<'_>,
) -> Option<(&'static str, String)> {
    names.iter().find_map(|&name| Some((name, variable(name)?)))
}

/// As Hugging Face reads switches.
fn is_true(value: &str) -> bool {
    ["1", "ON", "YES", "TRUE"].contains(&value.to_ascii_uppercase().as_str())
}

fn is_server(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else {
        return false;
    };
    let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
    is_web && uri.host().is_some_and(|host| !host.is_empty()) && uri.query().is_none()
}

/// The token of a variable, or else of the file that `hf auth login` writes.
fn token(variable: EnvironmentLookup<'_>) -> Result<Option<HubToken>> {
    let is_withheld =
        variable("HF_HUB_DISABLE_IMPLICIT_TOKEN").is_some_and(|value| is_true(&value));
    if is_withheld {
        return Ok(None);
    }
    if let Some((name, text)) = first(&TOKENS, variable)
        && let Some(token) = HubToken::new(&text, name)?
    {
        return Ok(Some(token));
    }
    let Some(path) = token_file(variable) else {
        return Ok(None);
    };
    let origin = path_text(&path);
    match read(&path) {
        Ok(text) => HubToken::new(&text, &origin),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => bail!("the token file {origin} cannot be read: {}", error.kind()),
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(LONGEST_TOKEN)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// `$HF_TOKEN_PATH`, or else `token` in `$HF_HOME`, in `$XDG_CACHE_HOME/huggingface` or in `~/.cache/huggingface`.
fn token_file(variable: EnvironmentLookup<'_>) -> Option<PathBuf> {
    let in_home = |path: String| match path.strip_prefix('~') {
        Some("") => Some(PathBuf::from(variable("HOME")?)),
        Some(rest) if rest.starts_with('/') => {
            Some(PathBuf::from(variable("HOME")?).join(rest.trim_start_matches('/')))
        }
        _ => Some(PathBuf::from(path)),
    };
    if let Some(path) = variable("HF_TOKEN_PATH") {
        return in_home(path);
    }
    let home = match (variable("HF_HOME"), variable("XDG_CACHE_HOME")) {
        (Some(home), _) => in_home(home)?,
        (None, Some(cache)) => in_home(cache)?.join("huggingface"),
        (None, None) => in_home("~/.cache/huggingface".to_owned())?,
    };
    Some(home.join("token"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn access(variables: &[(&str, &str)]) -> Result<HubAccess> {
        HubAccess::of(&|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn header(variables: &[(&str, &str)]) -> Option<String> {
        let access = access(variables).unwrap();
        access.token.map(|token| token.header())
    }

    #[test]
    fn the_server_is_the_hub_or_the_one_that_is_named() {
        let server = |variables: &[(&str, &str)]| access(variables).unwrap().server;
        assert_eq!(server(&[]), "https://huggingface.co");
        let endpoint = ("HF_ENDPOINT", "https://hub.example/prefix/");
        assert_eq!(server(&[endpoint]), "https://hub.example/prefix");
        let mirror = ("CXR_MIRROR", "http://127.0.0.1:8080");
        assert_eq!(server(&[endpoint, mirror]), "http://127.0.0.1:8080");
        for wrong in [
            "hub.example",
            "ftp://hub.example",
            "https://",
            "/a",
            "https://a/?b=c",
        ] {
            let error = access(&[("HF_ENDPOINT", wrong)]).unwrap_err();
            assert!(
                error.is::<Usage>() && error.to_string().contains("HF_ENDPOINT"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_token_is_for_the_hub_and_not_for_a_mirror() {
        let token = ("HF_TOKEN", "hf_abc\n");
        let bearer = Some("Bearer hf_abc".to_owned());
        assert_eq!(header(&[token]), bearer);
        assert_eq!(
            header(&[token, ("HF_ENDPOINT", "http://hub.example")]),
            bearer
        );
        assert_eq!(header(&[token, ("CXR_MIRROR", "http://hub.example")]), None);
        assert_eq!(header(&[("HUGGING_FACE_HUB_TOKEN", "hf_abc")]), bearer);
        assert_eq!(
            header(&[("HUGGING_FACE_HUB_TOKEN", "older"), token]),
            bearer
        );
        assert_eq!(
            header(&[token, ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "yes")]),
            None
        );
        for wrong in ["two words", "hf_ä"] {
            let error = access(&[("HF_TOKEN", wrong)]).unwrap_err().to_string();
            assert!(
                error.contains("HF_TOKEN") && !error.contains(wrong),
                "{error}"
            );
        }
    }

    #[test]
    fn the_token_file_is_where_hugging_face_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap();
        let file = |path: &str, token: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!(" {token}\r\n")).unwrap();
        };
        file(".cache/huggingface/token", "home");
        file("xdg/huggingface/token", "xdg");
        file("hf/token", "hf");
        file("mine", "mine");
        let home = ("HOME", home);
        let xdg = folder.path().join("xdg");
        let xdg = ("XDG_CACHE_HOME", xdg.to_str().unwrap());
        let hf = ("HF_HOME", "~/hf");
        let bearer = |token: &str| Some(format!("Bearer {token}"));
        assert_eq!(header(&[home]), bearer("home"));
        assert_eq!(header(&[home, xdg]), bearer("xdg"));
        assert_eq!(header(&[home, xdg, hf]), bearer("hf"));
        assert_eq!(
            header(&[home, xdg, hf, ("HF_TOKEN_PATH", "~/mine")]),
            bearer("mine")
        );
        assert_eq!(header(&[home, ("HF_HOME", "~/nothing")]), None);
        assert_eq!(header(&[home, ("HF_TOKEN", " ")]), bearer("home"));
        let is_from = access(&[home, hf]).unwrap().token.unwrap();
        assert!(is_from.origin.ends_with("/hf/token"), "{is_from:?}");
        assert!(!format!("{is_from:?}").contains("Bearer"));
        let folder = access(&[home, ("HF_TOKEN_PATH", "~/hf")])
            .unwrap_err()
            .to_string();
        assert!(folder.contains("cannot be read"), "{folder}");
    }

    #[test]
    fn offline_no_server_is_asked() {
        for (variables, is_offline) in [
            (&[("HF_HUB_OFFLINE", "1")][..], true),
            (&[("TRANSFORMERS_OFFLINE", "true")], true),
            (
                &[("HF_HUB_OFFLINE", "0"), ("TRANSFORMERS_OFFLINE", "1")],
                false,
            ),
            (&[("HF_HUB_OFFLINE", "0")], false),
        ] {
            assert_eq!(access(variables).is_err(), is_offline, "{variables:?}");
        }
    }
}
