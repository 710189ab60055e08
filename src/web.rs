//! Web addresses: which server one names, and where a redirect leads. What uses the network follows redirects itself,
//! so that credentials reach only the server that the user named.

use ureq::http::Uri;

use crate::domain::text::clean;

/// A redirect that is not followed. Its message names both addresses without their queries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedirectError {
    /// It leads to something that is no address on the web.
    #[error("{from} is redirected to {to}, which is no web address")]
    NoAddress { from: String, to: String },
    /// It leads from HTTPS to HTTP.
    #[error("{from} is redirected from HTTPS to {to}, which anyone on the way could change")]
    LeavesTls { from: String, to: String },
}

/// An address without its query, for messages: a query may hold a signature or a patient's name.
pub fn without_query(url: &str) -> String {
    clean(url.split(['?', '#']).next().unwrap_or_default())
}

/// Scheme, host and port: where they are the same, it is the same server. `None` if it is no address.
pub fn origin(url: &str) -> Option<(String, String, u16)> {
    let uri: Uri = url.parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let port = uri.port_u16().or(match scheme.as_str() {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    })?;
    Some((scheme, uri.host()?.to_ascii_lowercase(), port))
}

/// Where a redirect leads: a whole address, or a path of the same server.
///
/// # Errors
/// If it is neither, or leaves HTTPS.
pub fn target(url: &str, location: &str) -> Result<String, RedirectError> {
    let fault = || RedirectError::NoAddress {
        from: without_query(url),
        to: without_query(location),
    };
    let from: Uri = url.parse().map_err(|_| fault())?;
    let (Some(scheme), Some(authority)) = (from.scheme_str(), from.authority()) else {
        return Err(fault());
    };
    let target = match location.strip_prefix("//") {
        Some(rest) => format!("{scheme}://{rest}"),
        None if location.starts_with('/') => format!("{scheme}://{authority}{location}"),
        None => location.to_owned(),
    };
    match origin(&target) {
        Some((to, ..)) if to == "https" || (to == "http" && scheme != "https") => Ok(target),
        Some((to, ..)) if to == "http" => Err(RedirectError::LeavesTls {
            from: without_query(url),
            to: without_query(&target),
        }),
        _ => Err(fault()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_leads_to_an_address_or_to_a_path_of_the_same_server() {
        let from = "https://hub.example/a/b?c=d";
        for (location, expected) in [
            (
                "https://cdn.example/x?sig=1",
                Some("https://cdn.example/x?sig=1"),
            ),
            (
                "/api/x?etag=%22a%22",
                Some("https://hub.example/api/x?etag=%22a%22"),
            ),
            ("//cdn.example/x", Some("https://cdn.example/x")),
            ("http://cdn.example/x", None),
            ("ftp://cdn.example/x", None),
            ("file:///etc/passwd", None),
            ("x", None),
            ("", None),
        ] {
            let found = target(from, location);
            assert_eq!(found.as_deref().ok(), expected, "{location}");
        }
        let plain = target("http://127.0.0.1:1/a", "http://127.0.0.1:2/b");
        assert_eq!(plain.unwrap(), "http://127.0.0.1:2/b");
    }

    #[test]
    fn another_port_is_another_server() {
        assert_eq!(
            origin("https://Hub.example/a"),
            origin("https://hub.example:443/b")
        );
        assert_ne!(
            origin("http://127.0.0.1:1/a"),
            origin("http://127.0.0.1:2/a")
        );
        assert_ne!(
            origin("http://hub.example/"),
            origin("https://hub.example/")
        );
        assert_ne!(
            origin("https://hub.example.org/"),
            origin("https://hub.example/")
        );
    }

    #[test]
    fn a_signature_stays_out_of_messages() {
        assert_eq!(
            without_query("https://a/b?X-Amz-Signature=1#c"),
            "https://a/b"
        );
    }
}
