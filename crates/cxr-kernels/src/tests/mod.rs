mod depthwise;
mod networks;
mod passes;
mod reference;
