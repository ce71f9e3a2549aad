//! The store's own certificate authority, and the certificate that the node shows tills and displays on the LAN.
//!
//! No public authority vouches for a machine in a back room, and the store may have no internet at all. So the node makes
//! an authority of its own once, which each device is told to trust (`http::tls` serves it and says how). Its key lies on
//! a till's disk: so that a thief gets nothing but the store, it may vouch for local names and private addresses alone.

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PublicKeyData,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Error, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

const DAY_MS: i64 = 86_400_000;
/// Clocks of tills and tablets may be behind the node's.
const BEFORE_DAYS: i64 = 7;
/// How long the authority lasts.
const AUTHORITY_DAYS: i64 = 3_650;
/// How long a certificate lasts; devices refuse those of more than 825 days.
const CERTIFICATE_DAYS: i64 = 180;
/// A certificate is made anew when less than this is left of it.
const RENEW_DAYS: i64 = 90;
/// Names that no public authority vouches for.
const LOCAL_NAMES: &[&str] = &["localhost", "local", "lan", "internal", "home.arpa"];
/// Networks of which every house has its own.
const PRIVATE_NETWORKS: &[&str] = &[
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];
/// What every certificate vouches for.
const OWN_NAMES: &[&str] = &["localhost", "127.0.0.1", "::1"];

/// The authority, and the certificate of now.
#[derive(Debug)]
pub struct Identity {
    authority: Authority,
    showing: RwLock<Showing>,
}

#[derive(Debug)]
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// The certificate, DER.
    certificate: Vec<u8>,
    pem: String,
    /// Host names beyond the local ones that it may vouch for.
    hosts: Vec<String>,
}

#[derive(Debug)]
struct Showing {
    names: BTreeSet<String>,
    key: Arc<CertifiedKey>,
    /// When it runs out, by the wall clock.
    until: i64,
}

impl Identity {
    /// The identity of a node that answers for `hosts`. The authority is kept in `folder` and made where there is none; to
    /// give a store's nodes one authority, copy the folder before the second one's first start.
    ///
    /// # Errors
    /// A file that can't be read or written; a host that the authority may not vouch for.
    pub fn load(folder: &Path, hosts: &[String], wall: i64) -> Result<Self, Error> {
        let authority = match folder.join("ca.key").exists() {
            true => Authority::read(folder)?,
            false => Authority::make(folder, hosts, wall)?,
        };
        if let Some(host) = hosts.iter().find(|host| !authority.may_vouch_for(host)) {
            return Err(Error::other(format!(
                "the store's authority in {} may not vouch for {host}: put the folder away to have a new one made, and \
                 install that on every device",
                folder.display()
            )));
        }
        let names = hosts.iter().cloned().chain(OWN_NAMES.iter().map(|name| (*name).to_owned())).collect();
        let showing = RwLock::new(authority.certify(names, wall)?);
        Ok(Self { authority, showing })
    }

    /// The authority's certificate as text, for devices to install.
    pub fn authority_pem(&self) -> &str {
        &self.authority.pem
    }

    /// The same, DER.
    pub fn authority_der(&self) -> &[u8] {
        &self.authority.certificate
    }

    /// SHA-256 of the authority's certificate as systems show it: pairs of digits between colons.
    pub fn fingerprint(&self) -> String {
        let pairs: Vec<String> =
            Sha256::digest(&self.authority.certificate).iter().map(|byte| format!("{byte:02X}")).collect();
        pairs.join(":")
    }

    /// A device came to this address of the machine: the certificate vouches for it from now on, where the authority may.
    pub fn comes_to(&self, address: IpAddr, wall: i64) {
        let name = address.to_canonical().to_string();
        let known = self.showing.read().unwrap_or_else(PoisonError::into_inner).names.contains(&name);
        if known || !self.authority.may_vouch_for(&name) {
            return;
        }
        self.show(wall, |names| {
            names.insert(name);
        });
    }

    /// Makes the certificate anew where little is left of it.
    pub fn renew(&self, wall: i64) {
        let until = self.showing.read().unwrap_or_else(PoisonError::into_inner).until;
        let left = until - wall;
        // A clock that was put back leaves more than there ever was.
        if !(RENEW_DAYS * DAY_MS..=CERTIFICATE_DAYS * DAY_MS).contains(&left) {
            self.show(wall, |_| {});
        }
    }

    fn show(&self, wall: i64, change: impl FnOnce(&mut BTreeSet<String>)) {
        let mut showing = self.showing.write().unwrap_or_else(PoisonError::into_inner);
        let mut names = showing.names.clone();
        change(&mut names);
        match self.authority.certify(names, wall) {
            Ok(made) => *showing = made,
            Err(error) => tracing::warn!(%error, "the certificate of before is shown on"),
        }
    }

    /// How the listener speaks TLS.
    ///
    /// # Errors
    /// Only where the protocol versions can't be.
    pub fn server(self: &Arc<Self>) -> Result<Arc<ServerConfig>, Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(Error::other)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.showing.read().unwrap_or_else(PoisonError::into_inner).key))
    }
}

impl Authority {
    fn make(folder: &Path, hosts: &[String], wall: i64) -> Result<Self, Error> {
        let key = KeyPair::generate().map_err(Error::other)?;
        let (key_text, params) = (key.serialize_pem(), params_of(&key, hosts, wall)?);
        let certificate = params.self_signed(&key).map_err(Error::other)?;
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        write(folder, "ca.names", hosts.join("\n").as_bytes())?;
        write(folder, "ca.pem", certificate.pem().as_bytes())?;
        // Last: whoever finds it finds the others too.
        write(folder, "ca.key", key_text.as_bytes())?;
        File::open(folder)?.sync_all()?;
        Ok(Self {
            certificate: certificate.der().to_vec(),
            pem: certificate.pem(),
            hosts: hosts.to_vec(),
            issuer: Issuer::new(params, key),
        })
    }

    fn read(folder: &Path) -> Result<Self, Error> {
        let text = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path)
                .map_err(|e| Error::new(e.kind(), format!("{}: {e}", path.display())))
        };
        let key = KeyPair::from_pem(&text("ca.key")?).map_err(Error::other)?;
        let pem = text("ca.pem")?;
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(Error::other)?.to_vec();
        let hosts: Vec<String> = text("ca.names")?.lines().map(str::to_owned).collect();
        // Of these only what names the issuer goes into certificates.
        let params = params_of(&key, &hosts, 0)?;
        Ok(Self { certificate, pem, hosts, issuer: Issuer::new(params, key) })
    }

    fn may_vouch_for(&self, host: &str) -> bool {
        match host.parse::<IpAddr>() {
            Ok(address) => is_private(address) || self.hosts.iter().any(|known| known == host),
            Err(_) => {
                let under = |name: &str| {
                    let rest = host.to_ascii_lowercase();
                    rest.strip_suffix(&name.to_ascii_lowercase())
                        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
                };
                LOCAL_NAMES.iter().any(|name| under(name)) || self.hosts.iter().any(|known| under(known))
            }
        }
    }

    fn certify(&self, names: BTreeSet<String>, wall: i64) -> Result<Showing, Error> {
        let key = KeyPair::generate().map_err(Error::other)?;
        let listed: Vec<String> = names.iter().cloned().collect();
        let mut params = CertificateParams::new(listed).map_err(Error::other)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Tradepost node");
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let until = wall + CERTIFICATE_DAYS * DAY_MS;
        lasting(&mut params, wall - BEFORE_DAYS * DAY_MS, until)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(Error::other)?;
        let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signer = ring::sign::any_supported_type(&secret).map_err(Error::other)?;
        let chain = vec![certificate.der().clone()];
        Ok(Showing { names, key: Arc::new(CertifiedKey::new(chain, signer)), until })
    }
}

/// What the authority says of itself. Its name holds the beginning of its key's hash: two stores' are told apart, and
/// the name can be made again from the key.
fn params_of(key: &KeyPair, hosts: &[String], wall: i64) -> Result<CertificateParams, Error> {
    let hash: String =
        Sha256::digest(key.subject_public_key_info()).iter().take(4).map(|b| format!("{b:02X}")).collect();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("Tradepost store {hash}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    lasting(&mut params, wall - BEFORE_DAYS * DAY_MS, wall + AUTHORITY_DAYS * DAY_MS)?;
    let networks = PRIVATE_NETWORKS.iter().filter_map(|text| text.parse::<CidrSubnet>().ok());
    let mut permitted: Vec<GeneralSubtree> = networks.map(GeneralSubtree::IpAddress).collect();
    permitted.extend(LOCAL_NAMES.iter().map(|name| GeneralSubtree::DnsName((*name).to_owned())));
    permitted.extend(hosts.iter().map(|host| match host.parse::<IpAddr>() {
        Ok(address @ IpAddr::V4(_)) => GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, 32)),
        Ok(address) => GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, 128)),
        Err(_) => GeneralSubtree::DnsName(host.clone()),
    }));
    params.name_constraints =
        Some(NameConstraints { permitted_subtrees: permitted, excluded_subtrees: Vec::new() });
    Ok(params)
}

/// Whether an address lies in one of [`PRIVATE_NETWORKS`].
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// From which day to which it holds, by days of UTC.
fn lasting(params: &mut CertificateParams, from: i64, until: i64) -> Result<(), Error> {
    let date = |wall: i64| -> Result<(i32, u8, u8), Error> {
        let instant = jiff::Timestamp::from_millisecond(wall).map_err(Error::other)?;
        let date = instant.to_zoned(jiff::tz::TimeZone::UTC).date();
        let (month, day) = (u8::try_from(date.month()), u8::try_from(date.day()));
        Ok((i32::from(date.year()), month.map_err(Error::other)?, day.map_err(Error::other)?))
    };
    let ((y, m, d), (y2, m2, d2)) = (date(from)?, date(until)?);
    params.not_before = rcgen::date_time_ymd(y, m, d);
    params.not_after = rcgen::date_time_ymd(y2, m2, d2);
    Ok(())
}

/// Half a key would be no key: it appears whole or not at all.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let half = folder.join(format!("{name}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&half, folder.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::{ServerName, UnixTime};
    use rustls::{CertificateError, RootCertStore};
    use std::path::PathBuf;
    use std::time::Duration;

    const NOW: i64 = 1_800_000_000_000;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let mut luck = [0; 8];
            getrandom::fill(&mut luck).unwrap();
            Self(std::env::temp_dir().join(format!("tradepost-tls-{name}-{:x}", u64::from_le_bytes(luck))))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn hosts() -> Vec<String> {
        vec!["till.example".to_owned()]
    }

    /// What a device says that trusts this authority and nobody else.
    fn trusts(authority: &[u8], shown: &CertifiedKey, name: &str, wall: i64) -> Result<(), rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(authority.to_vec())).unwrap();
        let provider = Arc::new(ring::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(wall).unwrap()));
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier.verify_server_cert(&shown.cert[0], &[], &name, &[], now).map(|_| ())
    }

    fn shown(identity: &Identity) -> Arc<CertifiedKey> {
        Arc::clone(&identity.showing.read().unwrap().key)
    }

    #[test]
    fn a_device_trusts_the_node_by_its_names_and_addresses() {
        let folder = Folder::new("names");
        let identity = Identity::load(&folder.0, &hosts(), NOW).unwrap();
        let trusted = |name: &str, wall: i64| trusts(identity.authority_der(), &shown(&identity), name, wall);
        for name in ["till.example", "localhost", "127.0.0.1"] {
            assert_eq!(trusted(name, NOW), Ok(()), "{name}");
        }
        assert!(trusted("192.168.1.20", NOW).is_err(), "nobody has come to that address");
        identity.comes_to("192.168.1.20".parse().unwrap(), NOW);
        identity.comes_to("::ffff:10.0.0.7".parse().unwrap(), NOW);
        assert_eq!((trusted("192.168.1.20", NOW), trusted("10.0.0.7", NOW)), (Ok(()), Ok(())));
        identity.comes_to("203.0.113.9".parse().unwrap(), NOW);
        assert!(trusted("203.0.113.9", NOW).is_err(), "a public address is not vouched for unasked");
        assert_eq!(trusted("till.example", NOW - 6 * DAY_MS), Ok(()), "the device's clock is behind");
        let late = NOW + (CERTIFICATE_DAYS + 2) * DAY_MS;
        assert!(trusted("till.example", late).is_err());
        identity.renew(late);
        assert_eq!((trusted("till.example", late), trusted("192.168.1.20", late)), (Ok(()), Ok(())));
    }

    #[test]
    fn the_authority_stays_and_may_vouch_for_nobody_else() {
        let folder = Folder::new("stays");
        let first = Identity::load(&folder.0, &hosts(), NOW).unwrap();
        let second = Identity::load(&folder.0, &hosts(), NOW + DAY_MS).unwrap();
        assert_eq!(first.fingerprint(), second.fingerprint());
        let seen = trusts(first.authority_der(), &shown(&second), "till.example", NOW + DAY_MS);
        assert_eq!(seen, Ok(()), "who installed it once needn't do it again");
        assert!(Identity::load(&folder.0, &["bank.example".to_owned()], NOW).is_err());
        let names = BTreeSet::from(["bank.example".to_owned()]);
        let stolen = first.authority.certify(names, NOW).unwrap();
        let seen = trusts(first.authority_der(), &stolen.key, "bank.example", NOW);
        assert!(
            matches!(seen, Err(rustls::Error::InvalidCertificate(CertificateError::Other(_)))),
            "with the stolen key too: {seen:?}"
        );
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder.0.join("ca.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
