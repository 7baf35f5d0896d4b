"""The `vaanisetu` command: each part of the service from a terminal."""

import asyncio
import importlib
import json
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from app.cli_asr import asr
from app.cli_compliance import audit, kill_switch
from app.cli_keys import keys
from app.cli_nlu import nlu
from app.cli_packs import packs
from app.cli_settings import settings_with
from app.config import Settings
from app.errors import AppError, ConfigError

app = typer.Typer(
    name="vaanisetu",
    help="Voice agents for Indian languages: telephone calls that end on WhatsApp. Start with `vaanisetu run`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(packs, name="packs")
app.add_typer(audit, name="audit")
app.add_typer(kill_switch, name="kill-switch")
app.add_typer(keys, name="keys")
app.add_typer(asr, name="asr")
app.add_typer(nlu, name="nlu")
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False, soft_wrap=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


def main() -> None:
    """Runs the command; an expected error is one message and status 1, Ctrl-C status 130."""
    try:
        app()
    except AppError as error:
        errors.print(f"error: {error.detail}", style="red", markup=False)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _loop(work: Coroutine[Any, Any, Any]) -> Any:
    import uvloop

    return uvloop.run(work)


async def _until_terminated(work: Coroutine[Any, Any, Any]) -> Any:
    """Lets SIGTERM end `work` as Ctrl-C does: in order, with everything that it started."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


@app.command()
def run(
    once: Annotated[
        bool, typer.Option("--once", help="Exit after the calls: status 0 if each reached its goal.")
    ] = False,
    port: Annotated[int, typer.Option(help="Where the API listens; another is taken if it is in use.")] = 8080,
    data_dir: Annotated[Path | None, typer.Option(help="Where everything is stored (default: data).")] = None,
    scenario: Annotated[list[str] | None, typer.Option(help="Ring with these instead of the five of the demo.")] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write the result of the calls here.")] = None,
) -> None:
    """Start everything on this machine, seed a demo tenant and let simulated callers ring it.

    Needs nothing installed: the stores, the telephone carrier, WhatsApp and the tenant's order system are embedded or
    simulated; the calls are real audio over the carrier's protocol. Stays up until Ctrl-C.
    """
    from app.demo.run import DEMO_SCENARIOS, demonstrate

    settings = settings_with(data_dir=data_dir)
    demo = demonstrate(
        settings, console, scenarios=scenario or DEMO_SCENARIOS, port=port, once=once, json_path=json_path
    )
    reached = _loop(_until_terminated(demo))
    if once and not reached:
        raise typer.Exit(1)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (VAANISETU_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (VAANISETU_PORT).")] = None,
    write_openapi: Annotated[Path | None, typer.Option(help="Only write the OpenAPI document here.")] = None,
) -> None:
    """Serve the REST API, the carrier's webhooks and the media sockets in one process.

    Without VAANISETU_MONGODB_URL and VAANISETU_REDIS_URL the embedded stores are started, which is for development:
    background jobs (WhatsApp) then need `vaanisetu run`.
    """
    settings = settings_with(host=host, port=port)
    if port is not None and "public_url" not in settings.model_fields_set:
        settings = settings.model_copy(update={"public_url": f"http://127.0.0.1:{port}"})
    if write_openapi is not None:
        document = _root("app.main").create_app(settings).openapi()
        write_openapi.write_text(json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n")
        return
    _loop(_serve(settings))


async def _serve(settings: Settings) -> None:
    import uvicorn

    from app.kit.embedded import EmbeddedServices
    from app.kit.serving import DrainingServer
    from app.telephony.sockets import MediaSocketProtocol

    async with EmbeddedServices(settings.data_dir, settings.mongodb_url, settings.redis_url) as stores:
        given = settings.model_copy(update={"mongodb_url": stores.mongodb_url, "redis_url": stores.redis_url})
        await _root("app.services").preflight(given)
        app = _root("app.main").create_app(given)

        async def drain() -> None:
            await app.state.call_stack.calls.live.emptied(given.drain_seconds)

        config = uvicorn.Config(
            app,
            host=given.host,
            port=given.port,
            log_config=None,
            access_log=False,
            ws=MediaSocketProtocol,
            ws_max_size=2**17,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=10,
        )
        await DrainingServer(config, drain).serve()


@app.command()
def worker(
    concurrency: Annotated[int, typer.Option(min=1, help="Jobs at a time.")] = 4,
    beat: Annotated[bool, typer.Option(help="Also run the periodic jobs; exactly one worker does.")] = True,
) -> None:
    """Work off background jobs: WhatsApp messages out, WhatsApp webhooks in, periodic sweeps.

    Needs VAANISETU_MONGODB_URL and VAANISETU_REDIS_URL: the same stores as `vaanisetu serve`.
    """
    settings = settings_with()
    missing = [name for name in ("mongodb_url", "redis_url") if getattr(settings, name) is None]
    if missing:
        names = " and ".join(f"VAANISETU_{name.upper()}" for name in missing)
        raise ConfigError(f"set {names} to the stores of the server, or use `vaanisetu run`")
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    arguments = ["worker", "--pool=threads", f"--concurrency={concurrency}", "--without-gossip", "--without-mingle"]
    arguments.append(f"--loglevel={settings.log_level}")
    if beat:
        arguments += ["--beat", f"--schedule={settings.data_dir / 'beat-schedule'}"]
    _root("app.worker").make_worker(settings).worker_main(arguments)


def _root(module: str) -> Any:
    """Returns another root of the service; the roots do not import each other."""
    return importlib.import_module(module)


@app.command()
def call(
    scenarios: Annotated[
        list[str] | None, typer.Argument(help="Names of shipped scenarios, or paths of files.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="The server's public address.")] = None,
    to: Annotated[str | None, typer.Option(help="The number to ring, E.164.")] = None,
    auth_id: Annotated[str | None, typer.Option(help="Plivo auth id that the tenant gave the server.")] = None,
    auth_token: Annotated[str | None, typer.Option(envvar="VAANISETU_CALL_AUTH_TOKEN", help="Its token.")] = None,
    api_key: Annotated[
        str | None, typer.Option(envvar="VAANISETU_CALL_API_KEY", help="A key of the tenant, to check what was stored.")
    ] = None,
    graph_url: Annotated[str | None, typer.Option(help="The Graph API stand-in, to see the caller's phone.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=200, help="Callers at a time.")] = 1,
    repeat: Annotated[int, typer.Option(min=1, max=1_000, help="How often each scenario rings.")] = 1,
    carrier_port: Annotated[int, typer.Option(help="Port of the simulated carrier's REST interface.")] = 0,
    save: Annotated[Path | None, typer.Option(help="Folder for what the callers heard, as WAV files.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where a running `vaanisetu run` stores its data.")] = None,
    show_list: Annotated[bool, typer.Option("--list", help="Only list the shipped scenarios.")] = False,
    as_json: Json = False,
) -> None:
    """Ring a server as a simulated caller, through the carrier's real protocol, and check what happened.

    While `vaanisetu run` is up no option is needed: `vaanisetu call barge-in`. For any other server give --url, --to,
    --auth-id and --auth-token; with --api-key what it stored is checked too. Status 1: a call missed its goal.
    """
    from app.demo import calls

    if show_list or not scenarios:
        console.print(calls.shipped_table())
        return
    options = calls.Options(url, to, auth_id, auth_token, api_key, graph_url, concurrency, repeat, carrier_port, save)
    reports = asyncio.run(
        calls.make(settings_with(data_dir=data_dir), scenarios, options, None if as_json else console)
    )
    if as_json:
        typer.echo(json.dumps(calls.as_json(reports), ensure_ascii=False, indent=2))
    if not all(report.ok for report in reports):
        raise typer.Exit(1)


@asr.command("transcribe")
def asr_transcribe(
    recordings: Annotated[list[Path], typer.Argument(help="WAV files: 8 kHz mono, 16-bit or mu-law.")],
    as_json: Json = False,
) -> None:
    """Recognise recordings with the model that calls use."""
    from app.demo.tryout import transcribe

    found = transcribe(settings_with(), recordings)
    _show(found, as_json, lambda row: f"{row['file']}: {row['text'] or '(nothing heard)'}  [{row['confidence']:.2f}]")


@asr.command("info")
def asr_info() -> None:
    """Show which recogniser is in use and its model card."""
    from app.demo.tryout import model_card

    console.print(model_card(settings_with()), markup=False)


def _show(rows: list[dict[str, Any]], as_json: bool, line: Callable[[dict[str, Any]], str]) -> None:
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    for row in rows:
        console.print(line(row), markup=False)


if __name__ == "__main__":
    main()
