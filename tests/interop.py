"""Statements and manifests across the border: what taster signs verifies with other implementations, and what
they sign verifies here. Needs a throw-away environment:

    python3 -m venv ENV && ENV/bin/pip install securesystemslib[crypto] in-toto-attestation model-signing pyOpenSSL \
        cyclonedx-python-lib[json-validation] mlcroissant
    ENV/bin/python tests/interop.py target/release/taster

Prints a line per crossing, ends with 1 when one does not hold. A peer that is not installed is named and skipped.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

TASTER = os.path.abspath(sys.argv[1])
FAILED = []


def taster(*arguments, expect=0):
    run = subprocess.run([TASTER, *map(str, arguments)], capture_output=True, text=True)
    if run.returncode != expect:
        raise AssertionError(f"taster {arguments} ended with {run.returncode}, not {expect}\n{run.stdout}{run.stderr}")
    return run.stdout


def crossing(name):
    def around(test):
        try:
            test()
            print(f"ok       {name}")
        except ImportError as e:
            print(f"skipped  {name}: {e}")
        except Exception as e:
            FAILED.append(name)
            print(f"FAILED   {name}: {type(e).__name__}: {e}")
        return test

    return around


root = pathlib.Path(tempfile.mkdtemp())
os.chdir(root)
(root / "data").mkdir()
(root / "data/a.csv").write_text("id,text\n1,one\n2,two\n")
(root / "data/part").mkdir()
(root / "data/part/b.csv").write_text("id,text\n3,three\n")
(root / "c.yaml").write_text("taster: 1\ncolumns:\n  id: {type: int64}\n  text: {type: string}\n")
taster("key", "ed")
taster("key", "ec", "--algorithm", "ecdsa-p256")
for name in ("ed", "ec"):
    taster("attest", "data", "-c", "c.yaml", "--key", f"{name}.pem", "-o", f"{name}.json", "--bom", "bom.json")


def crypto_key(name):
    from cryptography.hazmat.primitives import serialization

    return serialization.load_pem_public_key(pathlib.Path(f"{name}.pub.pem").read_bytes())


@crossing("a statement verifies with the DSSE of securesystemslib, ed25519 and ECDSA")
def _():
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import SSlibKey

    for name in ("ed", "ec"):
        envelope = Envelope.from_dict(json.loads(pathlib.Path(f"{name}.json").read_text()))
        keyid = next(iter(envelope.signatures))
        key = SSlibKey.from_crypto(crypto_key(name), keyid=keyid)
        assert envelope.verify([key], 1)
        envelope.payload += b" "
        try:
            envelope.verify([key], 1)
            raise AssertionError("a changed payload was accepted")
        except Exception as e:
            assert not isinstance(e, AssertionError), e


@crossing("its payload is a statement to in-toto-attestation")
def _():
    import base64

    from google.protobuf import json_format
    from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
    from in_toto_attestation.v1.statement import Statement
    from in_toto_attestation.v1 import statement_pb2

    payload = json.loads(base64.b64decode(json.loads(pathlib.Path("ed.json").read_text())["payload"]))
    parsed = json_format.ParseDict(payload, statement_pb2.Statement())
    Statement.copy_from_pb(parsed).validate()
    known = {k: v for k, v in payload["predicate"].items() if k != "taster"}
    result = json_format.ParseDict(known, test_result_pb2.TestResult())
    assert result.result == "PASSED" and result.configuration[0].name == "c.yaml"


def pem_of(signer):
    from cryptography.hazmat.primitives import serialization

    public = signer._private_key.public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


@crossing("a statement that securesystemslib signed verifies here, and another key's does not")
def _():
    import base64

    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner

    payload = base64.b64decode(json.loads(pathlib.Path("ed.json").read_text())["payload"])
    for generate in (CryptoSigner.generate_ed25519, CryptoSigner.generate_ecdsa):
        signer = generate()
        envelope = Envelope(payload, "application/vnd.in-toto+json", {})
        envelope.sign(signer)
        pathlib.Path("theirs.json").write_text(json.dumps(envelope.to_dict()))
        pathlib.Path("theirs.pub.pem").write_text(pem_of(signer))
        taster("verify", "data", "-c", "c.yaml", "--attestation", "theirs.json", "--key", "theirs.pub.pem")
        taster("verify", "data", "-c", "c.yaml", "--attestation", "theirs.json", "--key", "ed.pub.pem", expect=1)


@crossing("a dataset that OpenSSF model-signing signed verifies here, and not once it changed")
def _():
    import model_signing  # noqa: F401

    cli = [sys.executable, "-m", "model_signing"]
    subprocess.run([*cli, "sign", "key", "data", "--signature", "theirs.sig", "--private_key", "ec.pem"], check=True, capture_output=True)
    taster("manifest", "verify", "data", "-m", "theirs.sig", "--key", "ec.pub.pem", "--exact")
    (root / "data/part/b.csv").write_text("id,text\n3,thrice\n")
    taster("manifest", "verify", "data", "-m", "theirs.sig", "--key", "ec.pub.pem", expect=1)
    (root / "data/part/b.csv").write_text("id,text\n3,three\n")


@crossing("a dataset that taster signed verifies with OpenSSF model-signing, and not once it changed")
def _():
    import model_signing  # noqa: F401

    taster("manifest", "create", "data", "--key", "ec.pem", "-o", "ours.sig")
    cli = [sys.executable, "-m", "model_signing", "verify", "key", "data", "--signature", "ours.sig", "--public_key", "ec.pub.pem"]
    subprocess.run(cli, check=True, capture_output=True)
    (root / "data/a.csv").write_text("id,text\n1,one\n2,tow\n")
    assert subprocess.run(cli, capture_output=True).returncode != 0
    (root / "data/a.csv").write_text("id,text\n1,one\n2,two\n")


@crossing("sha256sum checks our list, and we check its")
def _():
    sums = taster("manifest", "create", "data", "--format", "sha256sum")
    pathlib.Path("data.sums").write_text(sums)
    subprocess.run(["sha256sum", "--check", "--strict", "../data.sums"], cwd="data", check=True, capture_output=True)
    theirs = subprocess.run("find . -type f | sha256sum $(cat)", shell=True, cwd="data", check=True, capture_output=True, text=True)
    pathlib.Path("theirs.sums").write_text(theirs.stdout)
    taster("manifest", "verify", "data", "-m", "theirs.sums", "--exact")


@crossing("the bill of materials is valid CycloneDX 1.6")
def _():
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(pathlib.Path("bom.json").read_text())
    assert error is None, error


@crossing("the metadata are valid Croissant")
def _():
    import mlcroissant

    pathlib.Path("data/croissant.json").write_text(taster("manifest", "create", "data", "--format", "croissant"))
    dataset = mlcroissant.Dataset("data/croissant.json")
    assert len(dataset.metadata.distribution) == 2, dataset.metadata.distribution
    pathlib.Path("data/croissant.json").unlink()


sys.exit(1 if FAILED else 0)
