"""E-mail that leaves: one port, and the way over SMTP by the standard library, off the event loop."""

import asyncio
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Final, Literal, Protocol

import structlog

from app.errors import Unavailable

_STEP_SECONDS: Final = 10.0
_WHOLE_SECONDS: Final = 30.0
_AT_ONCE: Final = 4
_RETRY_AFTER_SECONDS: Final = 60
_log = structlog.get_logger(__name__)


class Mail(Protocol):
    """Sends plain text to one address."""

    async def send(self, to: str, subject: str, text: str) -> bool:
        """Hands a message over; returns False if the address is refused for good.

        Raises:
            Unavailable: It was not taken now (`mail_unavailable`).
        """
        ...


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed over.

    Attributes:
        host: Its name, to which its certificate belongs.
        port: 587 with STARTTLS, 465 with TLS, as a rule.
        security: `none` is for a relay on the same machine.
        sender: The address that messages come from.
        user: None: without signing in.
        password: The user's.
    """

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    sender: str
    user: str | None = None
    password: str = ""


class SmtpMail:
    """Implements `Mail`: a connection per message, a few at a time, each step limited in time.

    Args:
        server: Where to.
        context: Which certificates are trusted; None: those of the system.
    """

    def __init__(self, server: SmtpServer, context: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._context = context or ssl.create_default_context()
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def send(self, to: str, subject: str, text: str) -> bool:
        """See `Mail`."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._server.sender, to, subject
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=self._server.sender.rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        try:
            async with asyncio.timeout(_WHOLE_SECONDS), self._places:
                return await asyncio.to_thread(self._hand_over, message, to)
        except (OSError, smtplib.SMTPException, TimeoutError) as error:
            _log.warning("mail.not_sent", error=type(error).__name__, smtp_code=getattr(error, "smtp_code", None))
            raise Unavailable(
                "the mail server does not take the message now; try again later",
                code="mail_unavailable",
                retry_after_seconds=_RETRY_AFTER_SECONDS,
            ) from error

    def _hand_over(self, message: EmailMessage, to: str) -> bool:
        server = self._server
        try:
            with self._connected() as smtp:
                if server.security == "starttls":
                    smtp.starttls(context=self._context)
                if server.user is not None:
                    smtp.login(server.user, server.password)
                smtp.send_message(message, server.sender, [to])
        except smtplib.SMTPRecipientsRefused as error:
            if any(code < 500 for code, _ in error.recipients.values()):
                raise
            _log.info("mail.address_refused", smtp_code=max(code for code, _ in error.recipients.values()))
            return False
        return True

    def _connected(self) -> smtplib.SMTP:
        host, port = self._server.host, self._server.port
        if self._server.security == "tls":
            return smtplib.SMTP_SSL(host, port, timeout=_STEP_SECONDS, context=self._context)
        return smtplib.SMTP(host, port, timeout=_STEP_SECONDS)
