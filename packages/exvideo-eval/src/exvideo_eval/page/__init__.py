"""The report as one page: clips side by side that play in step, their curves beneath, tables and verdicts."""

from exvideo_eval.page.content import MEASURE as MEASURE
from exvideo_eval.page.content import page_of as page_of
from exvideo_eval.page.examples import Example as Example
from exvideo_eval.page.examples import choose as choose
from exvideo_eval.page.examples import rank as rank
from exvideo_eval.page.write import PageContent as PageContent
from exvideo_eval.page.write import Row as Row
from exvideo_eval.page.write import write_page as write_page
