use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio_rustls::TlsConnector;

const UNUSABLE: &str = "`root_certificate` cannot be used: give one or more certificates as PEM";
const NO_AUTHORITIES: &str =
    "the system's certificate authorities cannot be read: give `root_certificate`";

/// TLS to a server with a certificate from `root` or, if there is none, from an authority that the
/// system trusts.
pub(crate) fn connector(root: Option<&[u8]>) -> Result<TlsConnector, &'static str> {
    ensure_crypto_provider();
    let mut authorities = RootCertStore::empty();
    match root {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|_| UNUSABLE)?;
                authorities.add(certificate).map_err(|_| UNUSABLE)?;
            }
            // Of text without a certificate: nobody would be trusted.
            if authorities.is_empty() {
                return Err(UNUSABLE);
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            authorities.add_parsable_certificates(found.certs);
            if authorities.is_empty() {
                return Err(NO_AUTHORITIES);
            }
        }
    }
    let config = ClientConfig::builder()
        .with_root_certificates(authorities)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// rustls has one provider for the whole process, and a connection cannot do without. The
/// application's choice stands; where it made none, ring is installed.
fn ensure_crypto_provider() {
    if CryptoProvider::get_default().is_none() {
        // An error means that another thread has just done the same.
        let _installed = ring::default_provider().install_default();
    }
}
