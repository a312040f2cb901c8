//! Sends a request that was admitted.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{Request, Response, Uri};
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::address;
use super::body::{Budget, Received, Sent};
use super::grant::Target;

/// A response, and what has to be driven while its body is read.
pub(super) type Answer = (Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

/// A request that may go out, and where to.
pub(super) struct Plan {
    pub(super) request: Request<WasiBody>,
    pub(super) target: Target,
    /// Its address may be a private one.
    pub(super) private: bool,
    pub(super) slot: OwnedSemaphorePermit,
    pub(super) bytes: Budget,
}

/// Guests ask for less; for more nobody waits.
const CONNECT: Duration = Duration::from_secs(10);
const READ: Duration = Duration::from_secs(600);
/// Of a response, all together.
const HEADER_BYTES: usize = 64 << 10;
const HEADERS: usize = 100;

pub(super) async fn send(plan: Plan, options: RequestOptions) -> Result<Answer, Error> {
    let Plan { request, target, private, slot, bytes } = plan;
    let patience = options.connect_timeout.unwrap_or(CONNECT).min(CONNECT);
    let connecting = async {
        let stream = connect(&target, private).await?;
        if target.tls { encrypted(stream, &target.host).await } else { Ok(Box::new(stream) as Io) }
    };
    let stream = timeout(patience, connecting).await.map_err(|_| Error::ConnectionTimeout)??;
    let mut connection = http1::Builder::new();
    connection.max_buf_size(HEADER_BYTES).max_headers(HEADERS);
    let (mut sender, mut driver) = connection.handshake(TokioIo::new(stream)).await?;

    let first = options.first_byte_timeout.unwrap_or(READ).min(READ);
    let sent = timeout(first, async {
        let answered = sender.send_request(as_sent(request, bytes.clone())?);
        tokio::pin!(answered);
        tokio::select! {
            biased;
            response = &mut answered => Ok((response.map_err(unpacked)?, false)),
            // It may have answered with its last words.
            ended = &mut driver => match ended {
                Ok(()) => Ok((answered.await.map_err(unpacked)?, true)),
                Err(error) => Err(unpacked(error)),
            },
        }
    });
    let (response, over) = sent.await.map_err(|_| Error::HttpResponseTimeout)??;
    let patience = options.between_bytes_timeout.unwrap_or(READ).min(READ);
    let late = Box::pin(tokio::time::sleep_until(Instant::now() + patience));
    let response = response
        .map(|body| Received { body, budget: bytes, patience, late, _slot: slot }.boxed_unsync());
    let drive = async move { if over { Ok(()) } else { driver.await.map_err(Error::from) } };
    Ok((response, Box::new(drive)))
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
type Io = Box<dyn Stream>;

/// To an address that was looked at. The name is resolved once: nothing resolves it again between
/// that and the connection.
async fn connect(target: &Target, private: bool) -> Result<TcpStream, Error> {
    let addresses = resolve(&target.host, target.port).await?;
    let may = |address: &SocketAddr| private || address::is_public(address.ip());
    let addresses: Vec<SocketAddr> = addresses.into_iter().filter(may).collect();
    if addresses.is_empty() {
        return Err(Error::DestinationIpProhibited);
    }
    TcpStream::connect(addresses.as_slice()).await.map_err(|_| Error::ConnectionRefused)
}

async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let found = tokio::net::lookup_host((host, port)).await;
    let found: Vec<SocketAddr> = found.map_err(|_| Error::DestinationNotFound)?.collect();
    if found.is_empty() { Err(Error::DestinationNotFound) } else { Ok(found) }
}

/// The roots that Mozilla trusts.
static TLS: LazyLock<Option<Arc<ClientConfig>>> = LazyLock::new(|| {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Some(Arc::new(config))
});

async fn encrypted(stream: TcpStream, host: &str) -> Result<Io, Error> {
    let config = TLS.clone().ok_or(Error::ConfigurationError)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| Error::TlsCertificateError)?;
    let stream = TlsConnector::from(config).connect(name, stream).await;
    Ok(Box::new(stream.map_err(|_| Error::TlsProtocolError)?))
}

/// With the path alone: only a proxy is told scheme and host in the request line.
fn as_sent(request: Request<WasiBody>, budget: Budget) -> Result<Request<Sent>, Error> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().cloned();
    let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
    parts.uri = Uri::from(path);
    Ok(Request::from_parts(parts, Sent { body, budget }))
}

/// What hyper says, or the error of a body of ours that it wraps.
fn unpacked(error: hyper::Error) -> Error {
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        if let Some(Error::HttpRequestBodySize(size)) = inner.downcast_ref::<Error>() {
            return Error::HttpRequestBodySize(*size);
        }
        source = inner.source();
    }
    error.into()
}
