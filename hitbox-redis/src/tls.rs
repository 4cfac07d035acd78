use redis::{Client, ConnectionInfo, TlsCertificates};
use rustls::{
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, pem::PemObject},
};

const UNUSABLE: &str = "`root_certificate` cannot be used: give one or more certificates as PEM";

/// A client for a server that speaks TLS, with a certificate from `root` or, if there is none, from
/// an authority that the system trusts.
pub(crate) fn client(info: ConnectionInfo, root: Option<&Vec<u8>>) -> Result<Client, &'static str> {
    ensure_crypto_provider();
    // Of text without a certificate the client would make an empty list, and trust nobody.
    if root.is_some_and(|pem| CertificateDer::from_pem_slice(pem).is_err()) {
        return Err(UNUSABLE);
    }
    let certificates = TlsCertificates {
        client_tls: None,
        root_cert: root.cloned(),
    };
    Client::build_with_tls(info, certificates).map_err(|_| UNUSABLE)
}

/// rustls has one provider for the whole process, and the client cannot do without. The
/// application's choice stands; where it made none, ring is installed.
fn ensure_crypto_provider() {
    if CryptoProvider::get_default().is_none() {
        // An error means that another thread has just done the same.
        let _installed = ring::default_provider().install_default();
    }
}
