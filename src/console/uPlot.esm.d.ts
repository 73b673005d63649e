/** The plot library's file that lies beside the page, which the browser loads by this name. */
import uPlot from 'uplot';

export default uPlot;
