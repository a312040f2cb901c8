//! Requests that a guest sends: to whom it may, with which secrets, and no further.
//!
//! A request goes out when a grant names its scheme, host, port and method. The host's name is
//! resolved here and the connection made to an address that was looked at, so that no name leads
//! into a private network, now or at a second look. Redirects are the guest's to follow, by
//! requests of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Request;
use http::uri::Scheme;
use tokio::sync::Semaphore;
use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks,
};

use super::Powers;
use crate::log::JobLog;
use crate::sandbox::Limits;

mod address;
mod body;
mod grant;
mod secret;
mod send;

use grant::Target;
pub use grant::{GrantError, HttpGrant};
use secret::Secret;

/// Whom a guest may ask, and what the host writes into its requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct HttpPolicy {
    grants: Vec<HttpGrant>,
    secrets: BTreeMap<String, Secret>,
}

impl HttpPolicy {
    pub(crate) fn grant(&mut self, grant: HttpGrant) {
        self.grants.push(grant);
    }

    pub(crate) fn secret(&mut self, name: String, value: String) {
        self.secrets.insert(name, Secret::new(value));
    }

    /// True where there is nobody to ask.
    pub(crate) fn is_empty(&self) -> bool {
        self.grants.is_empty()
    }
}

/// One guest's HTTP.
pub(crate) struct Http {
    ctx: WasiHttpCtx,
    hooks: Hooks,
}

struct Hooks {
    powers: Arc<Powers>,
    log: JobLog,
    /// Requests that may still be sent.
    left: u32,
    open: Arc<Semaphore>,
    bytes: body::Budget,
}

impl Http {
    pub(crate) fn new(powers: Arc<Powers>, log: JobLog, limits: &Limits) -> Self {
        let mut ctx = WasiHttpCtx::new();
        ctx.set_field_size_limit(limits.http_header_bytes);
        let hooks = Hooks {
            powers,
            log,
            left: limits.http_requests,
            open: Arc::new(Semaphore::new(limits.http_open.min(Semaphore::MAX_PERMITS))),
            bytes: body::Budget::new(limits.http_bytes),
        };
        Self { ctx, hooks }
    }

    pub(crate) fn view<'a>(&'a mut self, table: &'a mut ResourceTable) -> WasiHttpCtxView<'a> {
        WasiHttpCtxView { hooks: &mut self.hooks, table, ctx: &mut self.ctx }
    }
}

impl Hooks {
    /// Decides about a request, and makes it what is sent.
    fn admit(&mut self, mut request: Request<WasiBody>) -> Result<send::Plan, Error> {
        self.left = self.left.checked_sub(1).ok_or(Error::ConnectionLimitReached)?;
        let target = Target::of(&request)?;
        let grant = self.powers.http.grants.iter().find(|grant| grant.covers(&target));
        let Some(grant) = grant else {
            // The guest is told no more than that: the operator is.
            self.log.about(&format!("a request was denied, as no grant covers it: {target}"));
            return Err(Error::HttpRequestDenied);
        };
        let slot = self.open.clone().try_acquire_owned();
        let slot = slot.map_err(|_| Error::ConnectionLimitReached)?;
        let known = |name: &str| {
            let granted = grant.secrets().iter().any(|secret| secret == name);
            granted.then(|| self.powers.http.secrets.get(name)).flatten()
        };
        if let Err(missing) = secret::fill(request.headers_mut(), known) {
            self.log.about(&format!(
                "a request to {target} was denied, as it wants a secret that is not granted \
                 there: {missing}"
            ));
            return Err(Error::HttpRequestDenied);
        }
        let private = grant.is_private();
        Ok(send::Plan { request, target, private, slot, bytes: self.bytes.clone() })
    }
}

impl WasiHttpHooks for Hooks {
    fn is_supported_scheme(&mut self, scheme: &Scheme) -> bool {
        *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<send::Answer, Error>> + Send> {
        let plan = self.admit(request);
        Box::new(async move { send::send(plan?, options.unwrap_or_default()).await })
    }
}
