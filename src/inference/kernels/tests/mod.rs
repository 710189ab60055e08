mod networks;
mod passes;
