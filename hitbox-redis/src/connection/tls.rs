//! TLS: whom to trust, and how to prove who one is.

use std::sync::Arc;

use rustls::{
    ClientConfig, Error, RootCertStore,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_rustls::TlsConnector;

/// What the builder was told, as PEM.
#[derive(Clone, Default)]
pub(crate) struct Certificates {
    /// Of the authorities to trust.
    pub(crate) root: Option<Vec<u8>>,
    pub(crate) client: Option<Identity>,
}

/// A certificate of the client's, with those that it rests on, and its private key.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) chain: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

const UNUSABLE: &str = "`root_certificate` cannot be used: give one or more certificates as PEM";
const NO_AUTHORITIES: &str =
    "the system's certificate authorities cannot be read: give `root_certificate`";

const NO_CERTIFICATE: &str = "the chain of `client_certificate` cannot be used: give one or more certificates as PEM, the client's own first";
const NO_KEY: &str =
    "the key of `client_certificate` cannot be used: give one private key as PEM, not encrypted";
const OTHER_KEY: &str =
    "the key of `client_certificate` does not belong to the first certificate of its chain";

const ROOT_WITHOUT_TLS: &str = "`root_certificate` is given, and the connection is without TLS: write a URL with rediss://, or leave \
     `root_certificate` out";
const CLIENT_WITHOUT_TLS: &str = "`client_certificate` is given, and the connection is without TLS: write a URL with rediss://, or \
     leave `client_certificate` out";

impl Certificates {
    /// They would be taken for being used.
    pub(crate) const fn check_unused(&self) -> Result<(), &'static str> {
        match self {
            Self { root: Some(_), .. } => Err(ROOT_WITHOUT_TLS),
            Self {
                client: Some(_), ..
            } => Err(CLIENT_WITHOUT_TLS),
            Self {
                root: None,
                client: None,
            } => Ok(()),
        }
    }

    /// TLS to a server with a certificate from `root` or, if there is none, from an authority that the
    /// system trusts.
    pub(crate) fn connector(&self) -> Result<TlsConnector, &'static str> {
        ensure_crypto_provider();
        let config = ClientConfig::builder().with_root_certificates(self.authorities()?);
        let config = match &self.client {
            Some(identity) => {
                let (chain, key) = identity.parse()?;
                let config = config.with_client_auth_cert(chain, key);
                config.map_err(|error| unusable(&error))?
            }
            None => config.with_no_client_auth(),
        };
        Ok(TlsConnector::from(Arc::new(config)))
    }

    fn authorities(&self) -> Result<RootCertStore, &'static str> {
        let mut authorities = RootCertStore::empty();
        match &self.root {
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
        Ok(authorities)
    }
}

impl Identity {
    fn parse(
        &self,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), &'static str> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.chain).collect();
        let chain = chain.map_err(|_| NO_CERTIFICATE)?;
        if chain.is_empty() {
            return Err(NO_CERTIFICATE);
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| NO_KEY)?;
        Ok((chain, key))
    }
}

fn unusable(error: &Error) -> &'static str {
    if matches!(error, Error::InconsistentKeys(_)) {
        OTHER_KEY
    } else if matches!(error, Error::InvalidCertificate(_)) {
        NO_CERTIFICATE
    } else {
        NO_KEY
    }
}

/// rustls has one provider for the whole process, and a connection cannot do without. The
/// application's choice stands; where it made none, ring is installed.
fn ensure_crypto_provider() {
    if CryptoProvider::get_default().is_none() {
        // An error means that another thread has just done the same.
        let _installed = ring::default_provider().install_default();
    }
}
