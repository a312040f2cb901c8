//! To whom a guest may send requests.

use std::fmt;
use std::net::IpAddr;

use http::uri::Scheme;
use http::{Method, Request};
use wasmtime_wasi_http::Error;

/// A host that a guest may send requests to. By https, to its usual port, with any method, and to
/// public addresses, unless it says otherwise.
///
/// ```
/// use mongoqueue_wasmtime::HttpGrant;
///
/// let mail = HttpGrant::to("api.mail.example")?.methods(["POST"])?.secret("token");
/// let near = HttpGrant::to("*.svc.cluster.local")?.plain().port(8080).private();
/// # Ok::<(), mongoqueue_wasmtime::GrantError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpGrant {
    /// In lower case, without brackets; `*.` before it for every name below it.
    host: String,
    port: Option<u16>,
    plain: bool,
    /// Empty: any.
    methods: Vec<Method>,
    private: bool,
    secrets: Vec<String>,
}

/// A grant that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// Not a name or an address of a host.
    #[error(
        "{host:?} is no host: a name such as \"api.example.com\", \"*.example.com\" for all names \
         below it, or an IP address; scheme, port and path don't belong here"
    )]
    Host {
        /// What was given.
        host: String,
    },
    /// Not a method of HTTP.
    #[error("{method:?} is no method of HTTP: it is a word such as \"GET\"")]
    Method {
        /// What was given.
        method: String,
    },
}

impl HttpGrant {
    /// Requests to `host`: a name, `*.name` for every name below it, or an IP address.
    ///
    /// # Errors
    /// Where it is neither.
    pub fn to(host: impl Into<String>) -> Result<Self, GrantError> {
        let host = host.into();
        let lower = host.to_ascii_lowercase();
        let bare = lower.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_address = bare.unwrap_or(&lower).parse::<IpAddr>().is_ok();
        if !is_address && !is_name(lower.strip_prefix("*.").unwrap_or(&lower)) {
            return Err(GrantError::Host { host });
        }
        let host = bare.unwrap_or(&lower).to_owned();
        let methods = Vec::new();
        let secrets = Vec::new();
        Ok(Self { host, port: None, plain: false, methods, private: false, secrets })
    }

    /// By http instead of https: anybody on the way can read it.
    pub fn plain(mut self) -> Self {
        self.plain = true;
        self
    }

    /// To this port. Default: 443, or 80 for http.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// With these methods only.
    ///
    /// # Errors
    /// Where one is no word.
    pub fn methods<M: AsRef<str>>(
        mut self,
        methods: impl IntoIterator<Item = M>,
    ) -> Result<Self, GrantError> {
        for method in methods {
            let name = method.as_ref();
            let bad = || GrantError::Method { method: name.to_owned() };
            let method = Method::from_bytes(name.to_ascii_uppercase().as_bytes());
            self.methods.push(method.map_err(|_| bad())?);
        }
        Ok(self)
    }

    /// Also where its name leads to a private, loopback or link-local address.
    pub fn private(mut self) -> Self {
        self.private = true;
        self
    }

    /// `{{secret:NAME}}` in a header of such a request becomes the secret of that name.
    pub fn secret(mut self, name: impl Into<String>) -> Self {
        self.secrets.push(name.into());
        self
    }

    pub(super) fn secrets(&self) -> &[String] {
        &self.secrets
    }

    pub(super) fn is_private(&self) -> bool {
        self.private
    }

    pub(super) fn covers(&self, target: &Target) -> bool {
        let usual = if self.plain { 80 } else { 443 };
        let host = match self.host.strip_prefix("*.") {
            Some(above) => target
                .host
                .strip_suffix(above)
                .and_then(|below| below.strip_suffix('.'))
                .is_some_and(|below| !below.is_empty()),
            None => target.host == self.host,
        };
        host && target.port == self.port.unwrap_or(usual)
            && target.tls != self.plain
            && (self.methods.is_empty() || self.methods.contains(&target.method))
    }
}

impl fmt::Display for HttpGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.methods.is_empty() {
            let methods: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
            write!(f, "{} ", methods.join(","))?;
        }
        let host = Host(&self.host);
        write!(f, "{}://{host}", if self.plain { "http" } else { "https" })?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        Ok(())
    }
}

/// Labels of letters, digits, `-` and `_`.
fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// Where a request wants to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) method: Method,
    pub(super) tls: bool,
    /// In lower case, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Target {
    pub(super) fn of<B>(request: &Request<B>) -> Result<Self, Error> {
        let uri = request.uri();
        let authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
        // A name and password belong into a header, where they can be secrets.
        if authority.as_str().contains('@') {
            return Err(Error::HttpRequestUriInvalid);
        }
        let tls = uri.scheme() != Some(&Scheme::HTTP);
        let host = authority.host().to_ascii_lowercase();
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = bare.map_or(host.clone(), str::to_owned);
        // `port()` is silent about a number that no port has.
        let after = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
        let port = match after.strip_prefix(':').unwrap_or(after) {
            "" if tls => 443,
            "" => 80,
            digits if !digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                return Err(Error::HttpRequestUriInvalid);
            }
            digits => digits.parse().map_err(|_| Error::HttpRequestUriInvalid)?,
        };
        Ok(Self { method: request.method().clone(), tls, host, port })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{} {scheme}://{}:{}", self.method, Host(&self.host), self.port)
    }
}

/// A host as it stands in a URI.
struct Host<'a>(&'a str);

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(':') { write!(f, "[{}]", self.0) } else { f.write_str(self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(method: &str, uri: &str) -> Target {
        let request = Request::builder().method(method).uri(uri).body(()).unwrap();
        Target::of(&request).unwrap()
    }

    #[test]
    fn a_grant_covers_its_host_port_scheme_and_methods() {
        let grant = HttpGrant::to("API.example.com").unwrap().methods(["get", "POST"]).unwrap();
        for uri in ["https://api.example.com/x?y", "https://API.EXAMPLE.com:443"] {
            assert!(grant.covers(&target("GET", uri)), "{uri}");
        }
        for (method, uri) in [
            ("PUT", "https://api.example.com"),
            ("GET", "http://api.example.com"),
            ("GET", "https://api.example.com:8443"),
            ("GET", "https://api.example.com."),
            ("GET", "https://xapi.example.com"),
            ("GET", "https://api.example.com.evil.example"),
            ("get", "https://api.example.com"),
        ] {
            assert!(!grant.covers(&target(method, uri)), "{method} {uri}");
        }
    }

    #[test]
    fn a_star_is_for_names_below() {
        let grant = HttpGrant::to("*.example.com").unwrap().plain().port(8080);
        assert!(grant.covers(&target("GET", "http://a.b.example.com:8080")));
        for host in ["example.com", ".example.com", "evilexample.com", "example.com.x"] {
            let Ok(request) = Request::get(format!("http://{host}:8080")).body(()) else {
                continue;
            };
            assert!(!grant.covers(&Target::of(&request).unwrap()), "{host}");
        }
    }

    #[test]
    fn addresses_are_hosts_too() {
        let grant = HttpGrant::to("[::1]").unwrap().plain();
        assert_eq!(grant, HttpGrant::to("::1").unwrap().plain());
        assert!(grant.covers(&target("GET", "http://[::1]/")));
        assert_eq!(grant.to_string(), "http://[::1]");
        assert_eq!(target("GET", "http://[::1]/").to_string(), "GET http://[::1]:80");
    }

    #[test]
    fn what_is_no_host_or_method_is_refused() {
        for host in ["", "*", "*.", "https://x", "x/y", "x:80", "a b", "a..b", "*.*.x", "ä.example"]
        {
            assert!(matches!(HttpGrant::to(host), Err(GrantError::Host { .. })), "{host}");
        }
        let method = HttpGrant::to("x").unwrap().methods(["GET it"]);
        assert!(matches!(method, Err(GrantError::Method { .. })));
    }

    #[test]
    fn what_is_no_place_to_go_to_is_no_target() {
        for uri in ["/path", "http://user:word@host/", "http://host:99999/", "http://host:+80/"] {
            let Ok(request) = Request::get(uri).body(()) else { continue };
            assert!(Target::of(&request).is_err(), "{uri}");
        }
    }
}
