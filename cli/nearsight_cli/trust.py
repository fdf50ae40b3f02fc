"""`nearsight keys`, `sign`, `verify` and `publish`: whose bundle it is, so that an app takes no other."""

from pathlib import Path
from typing import Annotated

import typer

from nearsight_cli.manual import manual
from nearsight_cli.output import print_text

__all__ = ["keys", "publish", "register", "sign", "verify"]

_Bundle = Annotated[Path, typer.Argument(metavar="BUNDLE", help="A .nsight file.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog=manual(["nearsight keys shop.pem"], "Next: nearsight sign BUNDLE --key shop.pem."))(keys)
    after = 'Next: in your app, nearsight.load("shop.nsight", public_key="shop.pub.pem").'
    app.command(epilog=manual(["nearsight sign shop.nsight --key shop.pem"], after))(sign)
    after = "Next: nearsight inspect says what the bundle holds."
    app.command(epilog=manual(["nearsight verify shop.nsight --public-key shop.pub.pem"], after))(verify)
    examples = [
        "nearsight publish site shop.nsight --key shop.pem",
        "nearsight publish site --key shop.pem",
        "nearsight publish site --key shop.pem --online-key web.pem",
        "nearsight publish site --online-key web.pem",
        "nearsight publish site --key shop.pem --new-key next.pem --online-key web.pem",
    ]
    after = "Next: upload the folder, and in your app, nearsight.update(URL, FOLDER, root=ROOT)."
    app.command(epilog=manual(examples, after))(publish)


def keys(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where the private key goes, such as shop.pem.", show_default=False)
    ],
) -> None:
    """Make a pair of keys (Ed25519): a private one that you keep, and a public one that your app ships.

    The private key has no password: its file can be read by you alone, and should lie outside of any repository.
    """
    from nearsight_export.signing import make_keys

    public = make_keys(path)
    print_text(f"{path} is the private key: keep it, and show it to nobody.")
    print_text(f"{public} is the public key: ship it with your app.")


def sign(
    bundle: _Bundle,
    key: Annotated[Path, typer.Option(metavar="FILE", help="Your private key.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The signed bundle. Without it: the same file.", show_default=False),
    ] = None,
) -> None:
    """Sign a bundle, so that an app that has your public key takes yours and no other."""
    from nearsight_export.signing import sign as signed

    signed(bundle, key, out or bundle)
    print_text(f"{out or bundle} is signed.")


def verify(
    bundle: _Bundle,
    public_key: Annotated[Path, typer.Option(metavar="FILE", help="The public key.", show_default=False)],
) -> None:
    """Check that a bundle is whole and was signed with the key that belongs to a public key; if not, the code is 2."""
    from nearsight.bundle import read_bundle

    name = read_bundle(bundle, public_key).manifest.name
    print_text(f"{bundle} ({name}) is whole and was signed with the key that {public_key} belongs to.")


def publish(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The channel: files for any web server.", show_default=False)
    ],
    bundle: Annotated[
        Path | None,
        typer.Argument(metavar="BUNDLE", help="What to offer. Without it: what is offered is signed anew."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Your private key. Without it: only kept fresh, by the online key.", show_default=False
        ),
    ] = None,
    online_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A private key that keeps it fresh and can offer nothing.", show_default=False
        ),
    ] = None,
    new_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A private key to replace yours with.", show_default=False),
    ] = None,
    valid: Annotated[
        str, typer.Option(metavar="DURATION", help="How long devices take it for fresh: publish again before.")
    ] = "30d",
) -> None:
    """Offer a bundle to apps that are out already, by The Update Framework.

    Devices refuse what was altered, rolled back, frozen or put together from parts on the way. One key does it all;
    with an online key, a server can keep the channel fresh while yours stays off it.
    """
    from nearsight.errors import InputError
    from nearsight_export.publishing import newest_root, refresh
    from nearsight_export.publishing import publish as published
    from nearsight_training.declaration import seconds

    if key is not None:
        version = published(folder, bundle, key, seconds(valid), online_key=online_key, new_key=new_key)
    elif online_key is not None and bundle is None and new_key is None:
        version = refresh(folder, online_key, seconds(valid))
    else:
        raise InputError("publishing needs your private key: pass --key (--online-key alone keeps a channel fresh)")
    print_text(f"{folder} is at version {version}, fresh for {valid}: upload it.")
    print_text(f"{newest_root(folder)} is what your app must bring with it.")
