use super::*;

/// All made by OpenSSL 3.0, and used for nothing else.
const TEAM: &str = include_str!("../../../../../tests/keys/team.pem");
const TEAM_PUBLIC: &str = include_str!("../../../../../tests/keys/team.pub.pem");
const OTHER_PUBLIC: &str = include_str!("../../../../../tests/keys/other.pub.pem");
/// By `openssl pkeyutl -sign -rawin -inkey team.pem`, of `mongoqueue`.
const SIGNATURE: &str = "c425344ebfe899afa17a241087dbe9be794030fcea72888929539acf52dba870\
                         0b79f3262553c513e59f44ea5d039b7bab1837e5473bcf706df30205e829140e";
const X25519: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VuBCIEIHAr6dEA7LyAWULnEA3W/IU0SPNRbmJHChBVYABtO/NM\n\
    -----END PRIVATE KEY-----\n";
const X25519_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VuAyEAfLUrEbRPL0HXyEwTgy+2ptZhYYlk2m/S8tErRc4O1gc=\n\
    -----END PUBLIC KEY-----\n";
/// The curve's neutral point.
const WEAK: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\
    -----END PUBLIC KEY-----\n";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn signs_as_openssl_does() {
    let key = PrivateKey::from_pem(TEAM).unwrap();
    let signature = key.sign(b"mongoqueue");
    assert_eq!(hex(&signature), SIGNATURE);
    assert_eq!(PublicKey::from_pem(TEAM_PUBLIC), Ok(key.public_key()));
    let crlf = TEAM_PUBLIC.replace('\n', "\r\n");
    assert_eq!(PublicKey::from_pem(&crlf), Ok(key.public_key()));
}

#[test]
fn a_signature_is_good_for_its_bytes_and_its_key_alone() {
    let signature = PrivateKey::from_pem(TEAM).unwrap().sign(b"mongoqueue");
    let team = PublicKey::from_pem(TEAM_PUBLIC).unwrap();
    assert!(team.verify(b"mongoqueue", &signature));
    assert!(!team.verify(b"mongoqueue ", &signature));
    assert!(!PublicKey::from_pem(OTHER_PUBLIC).unwrap().verify(b"mongoqueue", &signature));
    for bit in 0..512 {
        let mut other = signature;
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(!team.verify(b"mongoqueue", &other), "bit {bit}");
    }
    for length in [0, 63] {
        assert!(!team.verify(b"mongoqueue", &signature[..length]));
    }
    assert!(!team.verify(b"mongoqueue", &[&signature[..], &[0]].concat()));
    assert!(!team.verify(b"mongoqueue", &[0; 64]));
}

#[test]
fn what_is_no_key_is_told_what_it_is() {
    let private = |pem: &str| PrivateKey::from_pem(pem).map(drop).unwrap_err();
    let public = |pem: &str| PublicKey::from_pem(pem).unwrap_err();
    assert!(private(TEAM_PUBLIC).contains("a public key"));
    assert!(private(X25519).contains("another kind"));
    assert!(private(&X25519.replace("PRIVATE", "ENCRYPTED PRIVATE")).contains("decrypt it"));
    assert!(private(&TEAM[..80]).contains("damaged"));
    assert!(public(TEAM).contains("this is the private key"));
    assert!(public(X25519_PUBLIC).contains("another kind"));
    assert!(public(WEAK).contains("weak"));
    for junk in ["", "junk", "-----BEGIN ", "-----BEGIN RSA PUBLIC KEY-----\n"] {
        assert!(private(junk).contains("openssl genpkey") && public(junk).contains("-pubout"));
    }
}

#[test]
fn a_private_key_is_never_shown() {
    let shown = format!("{:?}", PrivateKey::from_pem(TEAM).unwrap());
    let secret = SigningKey::from_pkcs8_pem(TEAM).unwrap().to_bytes();
    let decimal = format!("{:?}", &secret[..4]);
    assert!(!shown.contains(decimal.trim_matches(['[', ']'])), "{shown}");
    assert!(!shown.contains(&hex(&secret[..4])), "{shown}");
}

#[test]
fn files_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    std::fs::write(&path, [TEAM_PUBLIC, &"\n".repeat(5_000)].concat()).unwrap();
    let error = PublicKey::read(&path).unwrap_err().to_string();
    assert!(error.contains("more than 4 KiB"), "{error}");
    assert!(matches!(PublicKey::read(folder.path()), Err(KeyError::Unreadable { .. })));
    let missing = folder.path().join("none.pem");
    assert!(matches!(PrivateKey::read(missing), Err(KeyError::Unreadable { .. })));
}
