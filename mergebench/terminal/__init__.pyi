from .consoles import make_console as make_console
from .escapes import printable as printable
from .streams import BROKEN_PIPE as BROKEN_PIPE
from .streams import lasting_streams as lasting_streams
from .streams import status_after as status_after
