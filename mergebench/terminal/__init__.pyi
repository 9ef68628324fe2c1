from .consoles import make_console as make_console
from .escapes import printable as printable
from .lines import say as say
from .streams import lasting_streams as lasting_streams
from .streams import status_after as status_after
