"""A mail server on 127.0.0.1 that speaks SMTP (RFC 5321) and checks what it is sent: order, TLS, sign-in, form."""

import asyncio
import base64
import datetime
import ipaddress
import ssl
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "vaanisetu", "password-of-the-mail-server"


@dataclass
class Delivered:
    sender: str
    recipients: list[str]
    message: EmailMessage
    encrypted: bool
    signed_in: bool


@dataclass
class _Talk:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    encrypted: bool = False
    signed_in: bool = False
    sender: str | None = None
    recipients: list[str] = field(default_factory=list)

    async def say(self, *lines: str) -> None:
        for number, line in enumerate(lines):
            mark = " " if number == len(lines) - 1 else "-"
            self.writer.write(f"{line[:3]}{mark}{line[4:]}\r\n".encode())
        await self.writer.drain()


@dataclass
class MailStandin:
    """`refuse` are addresses refused for good; `busy` answers every address with a 451; `port` is free once started."""

    folder: Path
    refuse: frozenset[str] = frozenset()
    busy: bool = False
    port: int = 0
    received: list[Delivered] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        certificate = self.folder / "mail.pem"
        certificate.write_bytes(_certificate())
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self.trust = ssl.create_default_context(cafile=str(certificate))
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = _Talk(reader, writer)
        try:
            await talk.say("220 mail.example ESMTP")
            while line := (await reader.readline()).decode().rstrip("\r\n"):
                if not await self._answer(talk, line):
                    break
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _answer(self, talk: _Talk, line: str) -> bool:
        verb, _, rest = line.partition(" ")
        match verb.upper():
            case "EHLO":
                offers = ["250 AUTH PLAIN"] if talk.encrypted else ["250 STARTTLS"]
                await talk.say("250 mail.example", *offers, "250 8BITMIME")
            case "STARTTLS":
                await talk.say("220 go ahead")
                await talk.writer.start_tls(self._context)
                talk.encrypted = True
            case "AUTH":
                _, user, password = base64.b64decode(rest.removeprefix("PLAIN ")).decode().split("\0")
                talk.signed_in = talk.encrypted and (user, password) == (USER, PASSWORD)
                await talk.say("235 welcome" if talk.signed_in else "535 no")
            case "MAIL":
                if not talk.signed_in:
                    self.faults.append("MAIL before AUTH")
                    await talk.say("530 sign in first")
                    return True
                talk.sender = rest.removeprefix("FROM:").split()[0].strip("<>")
                await talk.say("250 ok")
            case "RCPT":
                await self._recipient(talk, rest.removeprefix("TO:").split()[0].strip("<>"))
            case "DATA":
                await self._take(talk)
            case "RSET":
                talk.sender, talk.recipients = None, []
                await talk.say("250 ok")
            case "QUIT":
                await talk.say("221 bye")
                return False
            case _:
                self.faults.append(f"unknown command {line!r}")
                await talk.say("502 what?")
        return True

    async def _recipient(self, talk: _Talk, address: str) -> None:
        if self.busy:
            await talk.say("451 later")
        elif address in self.refuse:
            await talk.say("550 nobody of that name")
        else:
            talk.recipients.append(address)
            await talk.say("250 ok")

    async def _take(self, talk: _Talk) -> None:
        if talk.sender is None or not talk.recipients:
            self.faults.append("DATA before MAIL and RCPT")
            await talk.say("503 first things first")
            return
        await talk.say("354 go on")
        lines = []
        while (line := await talk.reader.readline()) != b".\r\n":
            if len(line) > 1000 or not line.endswith(b"\r\n"):
                self.faults.append("a line of more than 998 octets, or without CRLF")
            lines.append(line[1:] if line.startswith(b".") else line)
        message = message_from_bytes(b"".join(lines), policy=policy.default)
        for header in ("From", "To", "Subject", "Date", "Message-ID"):
            if message[header] is None:
                self.faults.append(f"no {header}")
        self.received.append(Delivered(talk.sender, talk.recipients, message, talk.encrypted, talk.signed_in))
        talk.sender, talk.recipients = None, []
        await talk.say("250 taken")


def _certificate() -> bytes:
    """Returns key and certificate for 127.0.0.1, good for a day, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return secret + certificate.public_bytes(serialization.Encoding.PEM)
