"""pynetdicom as a peer of cxr: `send PORT FILE...`, or `receive PORT FOLDER`."""

import sys
import time
from pathlib import Path

from pydicom import dcmread
from pynetdicom import AE, AllStoragePresentationContexts, build_context, evt
from pynetdicom.sop_class import Verification

SYNTAXES = [
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
]


def send(port, files):
    ae = AE(ae_title="PYNETDICOM")
    films = [dcmread(file) for file in files]
    # A context for each syntax: contexts of one class would be merged otherwise.
    contexts = [build_context(film.SOPClassUID, film.file_meta.TransferSyntaxUID) for film in films]
    contexts.append(build_context(Verification))
    association = ae.associate("127.0.0.1", port, contexts=contexts, ae_title="CXR")
    assert association.is_established
    assert association.send_c_echo().Status == 0
    for film in films:
        status = association.send_c_store(film)
        assert status and status.Status == 0, status
    association.release()


def receive(port, folder):
    def store(event):
        film = event.dataset
        film.file_meta = event.file_meta
        film.save_as(folder / f"{film.SOPInstanceUID}.dcm", enforce_file_format=True)
        return 0

    ae = AE(ae_title="PYNETDICOM")
    for context in AllStoragePresentationContexts:
        ae.add_supported_context(context.abstract_syntax, SYNTAXES)
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    print("ready", flush=True)
    # Until the test ends this process, and not for ever.
    time.sleep(600)
    server.shutdown()


if sys.argv[1] == "send":
    send(int(sys.argv[2]), sys.argv[3:])
else:
    receive(int(sys.argv[2]), Path(sys.argv[3]))
