//! `.netrc`, which curl, git and ftp read: `machine HOST login NAME password SECRET` and `default login …`.
//!
//! The syntax is that of curl's manual and of netrc(5): words between blanks, in quotes if they hold blanks, a backslash
//! before a quote. `macdef` defines commands up to an empty line, which are left out. A line that begins with `#` is a
//! comment.

/// A user name with its password.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct NetrcLogin {
    pub user: String,
    pub password: String,
}

/// The login for a host, or else the default one. `None` if there is none with both name and password.
pub fn login(text: &str, host: &str) -> Option<NetrcLogin> {
    let mut words = words(text).into_iter();
    let mut found: Option<NetrcLogin> = None;
    // Whether the words that come belong to this host.
    let mut is_meant = false;
    while let Some(word) = words.next() {
        match word.as_str() {
            "machine" | "default" => {
                if complete(&found) {
                    return found;
                }
                is_meant = word == "default"
                    || words
                        .next()
                        .is_some_and(|name| name.eq_ignore_ascii_case(host));
                found = is_meant.then(NetrcLogin::default);
            }
            "login" | "password" | "account" => {
                let value = words.next()?;
                if let Some(login) = found.as_mut().filter(|_| is_meant) {
                    match word.as_str() {
                        "login" => login.user = value,
                        "password" => login.password = value,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    found.filter(|_| is_meant).filter(is_whole)
}

fn complete(found: &Option<NetrcLogin>) -> bool {
    found.as_ref().is_some_and(is_whole)
}

fn is_whole(login: &NetrcLogin) -> bool {
    !login.user.is_empty() && !login.password.is_empty()
}

fn words(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut is_macro = false;
    for line in text.lines() {
        if is_macro {
            is_macro = !line.trim().is_empty();
            continue;
        }
        if line.trim_start().starts_with('#') {
            continue;
        }
        for word in words_of(line) {
            if word == "macdef" {
                is_macro = true;
                break;
            }
            all.push(word);
        }
    }
    all
}

fn words_of(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_quoted = first == '"';
        let mut word = String::new();
        let mut end = rest.len();
        let mut characters = rest.char_indices().skip(usize::from(is_quoted));
        while let Some((at, c)) = characters.next() {
            if c == '\\' {
                word.extend(characters.next().map(|(_, escaped)| escaped));
            } else if (is_quoted && c == '"') || (!is_quoted && c.is_whitespace()) {
                end = at + c.len_utf8();
                break;
            } else {
                word.push(c);
            }
        }
        words.push(word);
        rest = rest.get(end..).unwrap_or_default().trim_start();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, host: &str) -> Option<(String, String)> {
        login(text, host).map(|login| (login.user, login.password))
    }

    #[test]
    fn the_login_of_a_host_is_found_in_curls_syntax() {
        let text = "# machine pacs login no password no\n\
                    machine other.example login a password b\n\
                    macdef init\nmachine pacs login no password no\n\n\
                    machine pacs.example\n\tlogin me\n\tpassword \"a \\\"b\\\" c\" account x\n\
                    machine half login me\n\
                    default login anonymous password d\n";
        let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(found(text, "pacs.example"), pair("me", "a \"b\" c"));
        assert_eq!(found(text, "PACS.example"), pair("me", "a \"b\" c"));
        assert_eq!(found(text, "other.example"), pair("a", "b"));
        assert_eq!(found(text, "unknown"), pair("anonymous", "d"));
        assert_eq!(found("machine a login b", "a"), None);
        assert_eq!(found("machine a login b password c", "d"), None);
        assert_eq!(found("machine a login", "a"), None);
        assert_eq!(found("", "a"), None);
    }
}
