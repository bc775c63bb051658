/** A fresh process that computes nothing: what Node alone takes. */
process.stdout.write(`first 0 ${process.resourceUsage().maxRSS}\n`);
