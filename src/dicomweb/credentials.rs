//! Who cxr says that it is: a bearer token or a user name with a password, from the environment, from a command, or from
//! `.netrc`. They are never on the command line, where other users of the machine see them.

mod command;
mod netrc;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::{DicomWebError, DicomWebFault};

/// The variable with a bearer token.
pub const TOKEN: &str = "CXR_PACS_TOKEN";
/// The variables with a user name and a password.
pub const USER: &str = "CXR_PACS_USER";
pub const PASSWORD: &str = "CXR_PACS_PASSWORD";
/// No file or output with credentials is longer.
const LONGEST: u64 = 1 << 16;

/// What is sent to a server as `Authorization`.
#[derive(Clone, PartialEq, Eq)]
pub struct DicomWebCredential {
    header: String,
    /// The variable, the file or the command that it is from, for messages.
    pub origin: String,
    /// Whether asking again may give another one.
    is_renewable: bool,
}

impl fmt::Debug for DicomWebCredential {
    /// The credential itself is never written anywhere.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the credential of {}", self.origin)
    }
}

impl DicomWebCredential {
    /// HTTP Basic authentication (RFC 7617).
    fn basic(user: &str, password: &str, origin: &str) -> Result<Self, DicomWebError> {
        if user.is_empty() || user.contains(':') {
            return Err(wrong(format!(
                "{origin} has no user name that HTTP can carry"
            )));
        }
        Ok(DicomWebCredential {
            header: format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))),
            origin: origin.to_owned(),
            is_renewable: false,
        })
    }

    /// A bearer token (RFC 6750).
    fn bearer(text: &str, origin: &str) -> Result<Self, DicomWebError> {
        let token = text.trim();
        let is_token = !token.is_empty()
            && token
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte));
        if !is_token {
            return Err(wrong(format!(
                "{origin} holds a character that no token has, or nothing"
            )));
        }
        Ok(DicomWebCredential {
            header: format!("Bearer {token}"),
            origin: origin.to_owned(),
            is_renewable: false,
        })
    }

    /// The value of the header.
    pub(super) fn header(&self) -> &str {
        &self.header
    }

    /// `user name and password` or `token`.
    pub fn kind(&self) -> &'static str {
        if self.header.starts_with("Basic") {
            "user name and password"
        } else {
            "token"
        }
    }
}

/// Where credentials are looked for.
#[derive(Debug, Default)]
pub struct CredentialSources {
    /// `CXR_PACS_TOKEN`.
    token: SecretText,
    /// `CXR_PACS_USER` and `CXR_PACS_PASSWORD`.
    user: Option<String>,
    password: SecretText,
    /// A command line of the configuration; see [`command`].
    command: Option<String>,
    /// `.netrc`, which need not be there.
    netrc: Option<PathBuf>,
    /// What the command printed for a host.
    printed: Mutex<Option<(String, DicomWebCredential)>>,
}

/// A text that `Debug` does not show.
#[derive(Default)]
struct SecretText(Option<String>);

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "***" } else { "nothing" })
    }
}

impl CredentialSources {
    /// The sources of the environment, and the command of the configuration. `variable` gives the value of a variable
    /// that is set.
    pub fn new(variable: impl Fn(&str) -> Option<String>, command: Option<String>) -> Self {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let home = || Some(PathBuf::from(variable("HOME")?).join(".netrc"));
        CredentialSources {
            token: SecretText(variable(TOKEN)),
            user: variable(USER),
            password: SecretText(variable(PASSWORD)),
            command,
            netrc: variable("NETRC").map(PathBuf::from).or_else(home),
            printed: Mutex::new(None),
        }
    }

    /// The credential for a host: of the environment, of the command, or of `.netrc`, the first of them that is there.
    /// `None` where there is none.
    ///
    /// # Errors
    /// If one of them makes no sense or cannot be read. The message never quotes it.
    pub fn credential(&self, host: &str) -> Result<Option<DicomWebCredential>, DicomWebError> {
        if let Some(token) = &self.token.0 {
            return DicomWebCredential::bearer(token, TOKEN).map(Some);
        }
        match (&self.user, &self.password.0) {
            (Some(user), Some(password)) => {
                return DicomWebCredential::basic(user, password, USER).map(Some);
            }
            (Some(_), None) => return Err(wrong(format!("{USER} is set, and {PASSWORD} is not"))),
            (None, Some(_)) => return Err(wrong(format!("{PASSWORD} is set, and {USER} is not"))),
            (None, None) => {}
        }
        if self.command.is_some() {
            return self.printed(host).map(Some);
        }
        self.of_netrc(host)
    }

    /// Forgets what the command printed if this was it, so that an expired token is asked for again. Returns whether that
    /// makes sense.
    pub fn renew(&self, refused: &DicomWebCredential) -> bool {
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        if printed.as_ref().is_some_and(|(_, kept)| kept == refused) {
            *printed = None;
        }
        refused.is_renewable
    }

    /// What the command prints. It runs once for a host.
    fn printed(&self, host: &str) -> Result<DicomWebCredential, DicomWebError> {
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, kept)) = printed.as_ref()
            && of == host
        {
            return Ok(kept.clone());
        }
        let line = self.command.as_deref().unwrap_or_default();
        let mut credential = command::ask(line, host)?;
        credential.is_renewable = true;
        *printed = Some((host.to_owned(), credential.clone()));
        Ok(credential)
    }

    fn of_netrc(&self, host: &str) -> Result<Option<DicomWebCredential>, DicomWebError> {
        let Some(path) = &self.netrc else {
            return Ok(None);
        };
        let text = match read(path) {
            Ok(text) => text,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            Err(error) => {
                let path = path.display();
                return Err(wrong(format!("{path} cannot be read: {}", error.kind())));
            }
        };
        let origin = path.display().to_string();
        netrc::login(&text, host)
            .map(|login| DicomWebCredential::basic(&login.user, &login.password, &origin))
            .transpose()
    }
}

fn read(path: &PathBuf) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

fn wrong(reason: impl fmt::Display) -> DicomWebError {
    DicomWebError::new(DicomWebFault::Setting, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(variables: &[(&str, &str)], command: Option<&str>) -> CredentialSources {
        let lookup = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        CredentialSources::new(lookup, command.map(str::to_owned))
    }

    #[test]
    fn the_environment_comes_before_a_command_and_a_command_before_netrc() {
        let folder = tempfile::tempdir().unwrap();
        let netrc = folder.path().join("netrc");
        std::fs::write(&netrc, "machine pacs login me password netrc-secret").unwrap();
        let netrc = ("NETRC", netrc.to_str().unwrap());
        let header = |variables: &[(&str, &str)], command: Option<&str>| {
            let credential = sources(variables, command).credential("pacs").unwrap();
            credential.map(|credential| credential.header)
        };
        let basic = |text: &str| Some(format!("Basic {}", STANDARD.encode(text)));
        let user = [(USER, "me"), (PASSWORD, "env-secret"), netrc];
        assert_eq!(header(&[], None), None);
        assert_eq!(header(&[netrc], None), basic("me:netrc-secret"));
        let command = Some("printf 'username=%s\\npassword=a b\\n' \"$CXR_PACS_HOST\"");
        assert_eq!(header(&[netrc], command), basic("pacs:a b"));
        assert_eq!(header(&user, command), basic("me:env-secret"));
        let token = [&user[..], &[(TOKEN, "abc.def==\n")]].concat();
        assert_eq!(header(&token, command), Some("Bearer abc.def==".to_owned()));
        assert_eq!(sources(&[netrc], None).credential("other").unwrap(), None);
    }

    #[test]
    fn no_secret_is_in_a_message_or_in_what_debug_shows() {
        for variables in [
            &[(TOKEN, "two secrets")][..],
            &[(TOKEN, "secret\u{1b}")],
            &[(USER, "me:secret"), (PASSWORD, "secret")],
            &[(PASSWORD, "secret")],
        ] {
            let error = sources(variables, None).credential("h").unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let good = sources(
            &[(TOKEN, "secret"), (USER, "me"), (PASSWORD, "secret")],
            None,
        );
        let credential = good.credential("h").unwrap().unwrap();
        assert_eq!(credential.kind(), "token");
        for shown in [format!("{good:?}"), format!("{credential:?}")] {
            assert!(
                !shown.contains("secret\"") && !shown.contains("Bearer"),
                "{shown}"
            );
        }
    }

    #[test]
    fn a_token_of_a_command_is_asked_for_again_when_it_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let count = folder.path().join("count");
        let command = format!(
            "echo x >> {0}; echo token$(wc -l < {0} | tr -d ' ')",
            count.display()
        );
        let sources = sources(&[], Some(&command));
        let ask = || sources.credential("h").unwrap().unwrap();
        let first = ask();
        assert_eq!(ask(), first, "it is kept");
        assert!(sources.renew(&first));
        let second = ask();
        assert_eq!(second.header, "Bearer token2");
        assert!(sources.renew(&first), "an older one changes nothing");
        assert_eq!(ask(), second);
    }
}
